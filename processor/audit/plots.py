"""Plots as numbers: where bars and ticks stand, for a template to draw as SVG. Nothing of it depends on fonts or screens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH = 720
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 8, 8, 24
_MOST_BARS = 120
_LEAST_HEIGHT = 2.0
"""A bar that is not nothing can be seen."""
_HOUR_MS = 3_600_000
_BINS_H = (1, 2, 3, 6, 12, 24, 48, 168, 336, 672)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar, and what it says when it is pointed at."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Upright bars side by side, with both axes; `left`, `right` and `floor` are where the axes run."""

    width: int
    height: int
    left: int
    right: int
    floor: int
    bars: tuple[Bar, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


def columns(values: Sequence[int], titles: Sequence[str], across: Mapping[int, str], height: int) -> Columns:
    """A bar for each value; `across` says below which of them what is written."""
    floor, left, right = height - _BOTTOM, _LEFT, WIDTH - _RIGHT
    top = ceiling(max(values, default=0))
    step = (right - left) / max(len(values), 1)
    width = min(max(step - (2 if step > 6 else 0.5), 0.5), 48)
    bars = [
        _bar(left + step * place + (step - width) / 2, width, floor, value * (floor - _TOP) / top, title)
        for place, (value, title) in enumerate(zip(values, titles, strict=True))
        if value
    ]
    return Columns(
        width=WIDTH,
        height=height,
        left=left,
        right=right,
        floor=floor,
        bars=tuple(bars),
        across=tuple(Tick(_rounded(left + step * (place + 0.5)), text) for place, text in sorted(across.items())),
        up=up_ticks(top, floor, _TOP),
    )


def up_ticks(top: int, floor: int, ceiling_y: int) -> tuple[Tick, ...]:
    """The marks of an upright axis that runs from nothing at `floor` to `top` at `ceiling_y`."""
    return tuple(Tick(_rounded(floor - part * (floor - ceiling_y)), _figure(round(part * top))) for part in _parts(top))


def bin_hours(first_ms: int, last_ms: int) -> int:
    """How many hours a bar holds, so that few enough stand between two times."""
    hours = (last_ms - first_ms) // _HOUR_MS + 1
    return next((each for each in _BINS_H if hours <= each * _MOST_BARS), -(-hours // _MOST_BARS))


def ceiling(value: int) -> int:
    """The end of an axis that holds `value`: 1, 2, 4, 5 or 10 times a power of ten."""
    power = 1
    while power * 10 < value:
        power *= 10
    return next(each * power for each in (1, 2, 4, 5, 10) if each * power >= value)


def _figure(number: int) -> str:
    """A number that fits beside the axis."""
    return f"{number:,}" if number < 10_000_000 else f"{number / 1_000_000:,g} M"


def _parts(top: int) -> tuple[float, ...]:
    return (0, 1) if top % 2 else (0, 0.5, 1)


def _bar(x: float, width: float, floor: int, height: float, title: str) -> Bar:
    height = max(height, _LEAST_HEIGHT)
    return Bar(_rounded(x), _rounded(floor - height), _rounded(width), _rounded(height), title)


def _rounded(value: float) -> float:
    """To a hundredth: what can be seen, and the same text everywhere."""
    return round(value, 2)
