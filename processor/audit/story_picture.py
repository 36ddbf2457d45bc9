"""A sender's day as a picture: bars by the pane, the limit's window shaded, the verdict that tipped it marked."""

from collections.abc import Callable
from dataclasses import dataclass

from processor.audit.plots import WIDTH, Bar, Tick, ceiling
from processor.audit.timeline import Timeline
from processor.audit.words import moment
from processor.detection.windows import DAY_PANES, HOUR_PANES, PANE_MS
from processor.restrictions.events import WindowCounters

_HEIGHT, _TOP, _BOTTOM = 170, 18, 24
_LEFT, _RIGHT = 56, 8
_LEAST_HEIGHT = 2.0
_TICK_HOURS = 4
Number = Callable[[WindowCounters], int]


@dataclass(frozen=True, slots=True)
class Panel:
    """All of something as bars, a part of it in front; `shade` is where the limit's window stands, `mark` the tipping verdict."""

    width: int
    height: int
    left: int
    right: int
    top: int
    floor: int
    whole: tuple[Bar, ...]
    part: tuple[Bar, ...]
    shade: Bar | None
    mark: float | None
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


def messages(timeline: Timeline, panes: int | None, tipped_at_ms: int | None) -> Panel:
    """Messages, and the spam among them."""
    return _panel(timeline, panes, tipped_at_ms, lambda each: each.messages, lambda each: each.spam_messages, "spam")


def recipients(timeline: Timeline, panes: int | None, tipped_at_ms: int | None) -> Panel:
    """Recipients, and the external ones among them."""
    return _panel(
        timeline,
        panes,
        tipped_at_ms,
        lambda each: each.internal_recipients + each.external_recipients,
        lambda each: each.external_recipients,
        "external",
    )


def _panel(
    timeline: Timeline, panes: int | None, tipped_at_ms: int | None, whole: Number, part: Number, part_name: str
) -> Panel:
    floor = _HEIGHT - _BOTTOM
    step = (WIDTH - _RIGHT - _LEFT) / DAY_PANES
    counters = timeline.series(DAY_PANES, 1)
    top = ceiling(max(map(whole, counters), default=0))

    def x_of(time_ms: int) -> float:
        return round(_LEFT + (time_ms - timeline.start_ms()) / PANE_MS * step, 2)

    def bars(number: Number) -> tuple[Bar, ...]:
        found = []
        for place, each in enumerate(counters):
            if number(each):
                height = round(max(number(each) * (floor - _TOP) / top, _LEAST_HEIGHT), 2)
                x = round(_LEFT + place * step, 2)
                at = moment(timeline.start_ms() + place * PANE_MS)
                title = f"{at}: {whole(each):,}, of them {part(each):,} {part_name}"
                found.append(Bar(x, round(floor - height, 2), round(step, 2), height, title))
        return tuple(found)

    shade = None
    if panes is not None:
        start = x_of(timeline.start_ms(panes))
        shade = Bar(start, _TOP, round(WIDTH - _RIGHT - start, 2), floor - _TOP, "the window of the limit")
    inside = tipped_at_ms is not None and timeline.start_ms() <= tipped_at_ms < timeline.end_ms
    return Panel(
        width=WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        top=_TOP,
        floor=floor,
        whole=bars(whole),
        part=bars(part),
        shade=shade,
        mark=x_of(tipped_at_ms) if tipped_at_ms is not None and inside else None,
        across=_clock(timeline, x_of),
        up=(Tick(floor, "0"), Tick(_TOP, f"{top:,}")),
    )


def _clock(timeline: Timeline, x_of: Callable[[int], float]) -> tuple[Tick, ...]:
    every_ms = _TICK_HOURS * HOUR_PANES * PANE_MS
    first = -(-timeline.start_ms() // every_ms) * every_ms
    return tuple(Tick(x_of(at), moment(at)[11:16]) for at in range(first, timeline.end_ms, every_ms))
