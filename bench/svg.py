"""Two kinds of pictures, drawn as SVG without any library: lines over a scale, and lying bars."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 40, 48, 52
_BAR, _GAP = 22, 12
_COLOURS = ("#1f6f8b", "#c8553d", "#588b3c", "#7a5195", "#8a6d3b")
_STYLE = "font-family:sans-serif;font-size:12px"


@dataclass(frozen=True, slots=True)
class Line:
    """A name and its points, in the order of x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis says below it, how a value is written, and whether equal steps are equal factors."""

    title: str
    shown: Callable[[float], str]
    is_log: bool = False
    least: float | None = None
    """Where it begins; None: at the least value."""


def lines(title: str, across: Axis, up: Axis, drawn: Sequence[Line]) -> str:
    """Lines with their points marked where these are few."""
    x = _scale(across, [point[0] for line in drawn for point in line.points], _LEFT, WIDTH - _RIGHT)
    y = _scale(up, [point[1] for line in drawn for point in line.points], HEIGHT - _BOTTOM, _TOP)
    parts = [
        _text(_LEFT, 20, title, "font-weight:bold"),
        _text(WIDTH / 2, HEIGHT - 12, across.title, "text-anchor:middle"),
    ]
    parts.append(_text(_LEFT, 40, up.title, "fill:#555"))
    for value in x.ticks:
        parts.append(_rule(x.at(value), _TOP, x.at(value), HEIGHT - _BOTTOM))
        parts.append(_text(x.at(value), HEIGHT - _BOTTOM + 18, across.shown(value), "text-anchor:middle"))
    for value in y.ticks:
        parts.append(_rule(_LEFT, y.at(value), WIDTH - _RIGHT, y.at(value)))
        parts.append(_text(_LEFT - 8, y.at(value) + 4, up.shown(value), "text-anchor:end"))
    for number, line in enumerate(drawn):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [(x.at(point[0]), y.at(point[1])) for point in line.points]
        way = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(places) <= 20:
            parts += [f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4" fill="{colour}"/>' for left, top in places]
        below = HEIGHT - _BOTTOM - 10 - 18 * (len(drawn) - 1 - number)
        style = f"text-anchor:end;fill:{colour};font-weight:bold"
        parts.append(_text(WIDTH - _RIGHT - 8, below, line.name, style))
    return _picture(HEIGHT, parts)


def bars(title: str, values: Sequence[tuple[str, float]], shown: Callable[[float], str]) -> str:
    """A bar for each value, from the left, what it is before it and how much behind it."""
    left, most = 250, max(value for _, value in values)
    parts = [_text(16, 24, title, "font-weight:bold")]
    for number, (name, value) in enumerate(values):
        top = 44 + number * (_BAR + _GAP)
        width = value / most * (WIDTH - left - 90)
        parts.append(_text(left - 10, top + 15, name, "text-anchor:end"))
        parts.append(f'<rect x="{left}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{_COLOURS[0]}"/>')
        parts.append(_text(left + width + 8, top + 15, shown(value)))
    return _picture(44 + len(values) * (_BAR + _GAP) + 8, parts)


@dataclass(frozen=True, slots=True)
class _Scale:
    ticks: Sequence[float]
    low: float
    high: float
    start: float
    end: float
    is_log: bool

    def at(self, value: float) -> float:
        low, high, here = self.low, self.high, value
        if self.is_log:
            low, high, here = math.log(low), math.log(high), math.log(max(here, self.low))
        return self.start + (here - low) / (high - low) * (self.end - self.start)


def _scale(axis: Axis, values: Sequence[float], start: float, end: float) -> _Scale:
    least, most = min(values) if axis.least is None else axis.least, max(values)
    if axis.is_log:
        powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
        steps = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
        low = max((step for step in steps if step <= least), default=least)
        high = min((step for step in steps if step >= most), default=most)
        shown = [step for step in steps if low <= step <= high]
        return _Scale(shown, low, max(high, 2 * low), start, end, is_log=True)
    step = _step(most - least)
    low, high = math.floor(least / step) * step, math.ceil(most / step) * step
    return _Scale(
        [low + number * step for number in range(round((high - low) / step) + 1)], low, high, start, end, is_log=False
    )


def _step(span: float) -> float:
    """A round step of which some five make up the span."""
    rough = max(span, 1e-9) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" style="{_STYLE};{style}">{escape(words)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _picture(height: float, parts: Sequence[str]) -> str:
    """On white, so that it can be read where the page is dark."""
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            '<rect width="100%" height="100%" fill="white"/>',
            *parts,
            "</svg>",
            "",
        ]
    )
