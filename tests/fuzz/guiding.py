"""A campaign guided by coverage, with atheris (libFuzzer). It ends the process that it runs in, so it gets one of its own."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.campaign import Progress
from tests.fuzz.corpus import CORPUS
from tests.fuzz.target import Found

_LOOK_S = 0.5
_COVERED = re.compile(r"cov: (\d+) ft: (\d+)")
_HUNG_S, _MEMORY_MB = 60, 4096


def run(name: str, count: int, seed: int, progress: Progress, into: Counter[str]) -> str:
    """Check `count` inputs in a process of its own, outcomes counted in `into`; in words what was reached. Raises Found."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        place = Path(folder)
        (place / "begin").mkdir()
        command = [sys.executable, "-m", "tests.fuzz.guided", name, str(count), str(seed), folder]
        # As plain Python the kernels' own loops and branches guide.
        environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
        with (
            (place / "said").open("w") as said,
            subprocess.Popen(command, stdout=said, stderr=said, env=environment) as child,
        ):
            try:
                while child.poll() is None:
                    time.sleep(_LOOK_S)
                    progress(_outcomes(place).total() - into.total())
                    into.update(_outcomes(place) - into)
            finally:
                child.kill()
        into.update(_outcomes(place) - into)
        text = (place / "said").read_text(errors="replace")
        _raise_found(place, child.returncode, text)
        covered = _COVERED.findall(text)
        return f"; coverage {covered[-1][0]} edges, {covered[-1][1]} features, from {covered[0][0]}" if covered else ""


def arguments(name: str, seed: int, place: Path, longest: int) -> list[str]:
    """What libFuzzer is told."""
    kept = CORPUS / name
    return [
        "fuzz",
        f"-seed={seed}",
        f"-max_len={longest}",
        f"-timeout={_HUNG_S}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-artifact_prefix={place}/crash-",
        "-print_final_stats=1",
        str(place / "begin"),
        *([str(kept)] if kept.is_dir() else []),
    ]


def note(place: Path, outcomes: Counter[str]) -> None:
    """Write down how far it is; whole or not at all."""
    (place / "outcomes.new").write_text(json.dumps(outcomes))
    (place / "outcomes.new").replace(place / "outcomes")


def _outcomes(place: Path) -> Counter[str]:
    noted = place / "outcomes"
    return Counter(json.loads(noted.read_text())) if noted.exists() else Counter()


def _raise_found(place: Path, status: int, text: str) -> None:
    found = next(iter(sorted(place.glob("found*")) or sorted(place.glob("crash-*"))), None)
    if found is not None:
        why = (place / "why").read_text() if (place / "why").exists() else text[-1000:]
        raise Found(found.read_bytes(), why)
    if status != 0:
        raise Found(b"", f"the guided process ended with {status}: {text[-1000:]}")
