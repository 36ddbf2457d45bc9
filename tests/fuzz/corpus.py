"""Inputs that are kept: those of a target that once broke its law, or that reach deep; and where new findings are put."""

import hashlib
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
FOUND = Path(".cache") / "fuzz"


def cases(name: str) -> list[bytes]:
    """The kept inputs of a target, in a fixed order."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def saved(name: str, content: bytes) -> Path:
    """Write a finding down; where it is."""
    FOUND.mkdir(parents=True, exist_ok=True)
    path = FOUND / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    path.write_bytes(content)
    return path
