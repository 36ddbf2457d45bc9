"""A sweep as a picture: above whom each value would block, below what that would stop, ordinary mail too.

Each value that was tried has the same room, whatever lies between two of them: 5, 10, 20, 500 can be read, too.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from processor.audit.plots import WIDTH, Tick, ceiling, up_ticks
from processor.audit.sweep import Sweep
from processor.audit.sweep_words import value_of
from processor.audit.what_if import Outcome
from processor.audit.words import count

_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 26, 40
_SENDERS_HEIGHT, _MAIL_HEIGHT = 170, 240
_CHARACTER = 6.5
"""A digit of a tick's text takes about so much."""
_EVEN = 1e-6
_DENSE = 40


@dataclass(frozen=True, slots=True)
class Point:
    """Where one value stands, and what it says when it is pointed at."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line through its points, which have the look of `look`: senders, spam or other."""

    look: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over the values of a limit; `own` is where the policies have it now, None where that lies outside.

    `is_dense`: so many points that they have to be small.
    """

    width: int
    height: int
    left: int
    right: int
    top: int
    floor: int
    middle: int
    lines: tuple[Line, ...]
    own: float | None
    is_dense: bool
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class SweepPicture:
    """`is_even`: whether the values lie equally far apart, as the picture has them."""

    senders: Lines
    mail: Lines
    is_even: bool


def picture(sweep: Sweep, outcomes: Sequence[Outcome], own: float | None) -> SweepPicture | None:
    """None where one point would say nothing."""
    if len(sweep.values) < 2:
        return None
    return SweepPicture(
        senders=_lines(sweep, own, _SENDERS_HEIGHT, {"senders": [senders(each) for each in outcomes]}, _senders_said),
        mail=_lines(
            sweep,
            own,
            _MAIL_HEIGHT,
            {"spam": [spam(each) for each in outcomes], "other": [other(each) for each in outcomes]},
            _mail_said,
        ),
        is_even=_is_even(sweep.values),
    )


def senders(outcome: Outcome) -> int:
    """How many senders would have been blocked."""
    return len(outcome.blocked_senders)


def spam(outcome: Outcome) -> int:
    """How many spam messages would have been stopped."""
    return outcome.stopped.spam_messages


def other(outcome: Outcome) -> int:
    """How many other messages would have been stopped: what a limit costs."""
    return outcome.stopped.messages - outcome.stopped.spam_messages


def _senders_said(_look: str, number: int) -> str:
    return f"{count(number, 'sender')} blocked"


def _mail_said(look: str, number: int) -> str:
    return f"{count(number, 'spam message' if look == 'spam' else 'other message')} stopped"


def _lines(
    sweep: Sweep,
    own: float | None,
    height: int,
    numbers: dict[str, list[int]],
    said: Callable[[str, int], str],
) -> Lines:
    floor, right = height - _BOTTOM, WIDTH - _RIGHT
    top = ceiling(max((number for each in numbers.values() for number in each), default=0))
    values = [value_of(value) for value in sweep.values]

    def x_of(place: float) -> float:
        return round(_LEFT + (right - _LEFT) * (place + 0.5) / len(values), 2)

    def y_of(number: int) -> float:
        return round(floor - number * (floor - _TOP) / top, 2)

    def line(look: str) -> Line:
        return Line(
            look,
            tuple(
                Point(x_of(place), y_of(number), f"at {value}: {said(look, number)}")
                for place, (value, number) in enumerate(zip(values, numbers[look], strict=True))
            ),
        )

    place = None if own is None else _place_of(own, sweep.values)
    return Lines(
        width=WIDTH,
        height=height,
        left=_LEFT,
        right=right,
        top=_TOP,
        floor=floor,
        middle=(_LEFT + right) // 2,
        lines=tuple(map(line, numbers)),
        own=None if place is None else x_of(place),
        is_dense=len(values) > _DENSE,
        across=tuple(Tick(x_of(at), values[at]) for at in range(0, len(values), _every(values, right - _LEFT))),
        up=up_ticks(top, floor, _TOP),
    )


def _place_of(own: float, values: Sequence[float]) -> float | None:
    """Where a value stands among those that were tried; between two of them, in proportion. None where it is outside."""
    place = bisect_left(values, own)
    if place == len(values) or own < values[0]:
        return None
    if values[place] == own:
        return place
    before, after = values[place - 1], values[place]
    return place - 1 + (own - before) / (after - before)


def _every(values: Sequence[str], room: int) -> int:
    """Every how manyth value can be written below the axis."""
    longest = max(map(len, values)) * _CHARACTER + 2 * _CHARACTER
    return max(1, -(-int(longest * len(values)) // room))


def _is_even(values: Sequence[float]) -> bool:
    steps = [after - before for before, after in pairwise(values)]
    return max(steps) - min(steps) <= _EVEN * max(steps)
