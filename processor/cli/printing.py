"""How commands print: JSON that can do nothing to a terminal, and rows in columns."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len


def json_line(value: Mapping[str, Any]) -> str:
    """One line of JSON, exact and in ASCII: names are an attacker's, and none may do anything to a terminal."""
    return json.dumps(value, separators=(",", ":"))


def columns(rows: Sequence[tuple[str, ...]], widest: int) -> Iterator[str]:
    """The rows as lines, their cells below each other; a text wider than `widest` pushes its own line out, not all others."""
    widths = [max(min(cell_len(cell), widest) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
