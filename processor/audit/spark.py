"""Spark lines: a row of characters as a picture of numbers."""

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = ".:-=+*#@"
"""For a terminal that has only ASCII."""


def spark(values: Sequence[int], ramp: str = BLOCKS) -> str:
    """A character a value, as high as its part of the largest; nothing is a blank, and what is not nothing can be seen."""
    most = max(values, default=0)
    return "".join(" " if value <= 0 else ramp[-(-value * len(ramp) // most) - 1] for value in values)


def ramp_for(encoding: str | None) -> str:
    """The characters that a terminal of this encoding can show."""
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return BLOCKS
