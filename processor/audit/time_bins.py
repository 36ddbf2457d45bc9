"""Time as a row of bars: when each begins, what falls into it, and which bear a mark."""

from collections.abc import Mapping, Sequence

from processor.audit.findings import HOUR_MS
from processor.audit.plots import bin_hours
from processor.audit.words import moment

_DAY_MS = 24 * HOUR_MS
_TICKS = 6
_SHORT_MS = 48 * HOUR_MS


def starts_of(first_ms: int, last_ms: int) -> range:
    """When each bar begins, so that both times are within, and the bars few enough to be told apart."""
    step_ms = bin_hours(first_ms, last_ms) * HOUR_MS
    return range(first_ms // step_ms * step_ms, last_ms + 1, step_ms)


def binned(by_time_ms: Mapping[int, int], starts: range) -> list[int]:
    """The numbers, each in its bar; what is outside stands at the ends."""
    values = [0] * len(starts)
    for time_ms, number in by_time_ms.items():
        place = (time_ms - starts.start) // starts.step
        values[min(max(place, 0), len(values) - 1)] += number
    return values


def titles(starts: range, values: Sequence[int], what: str) -> list[str]:
    """What each bar says when it is pointed at."""
    return [f"{moment(start)}: {value:,} {what}" for start, value in zip(starts, values, strict=True)]


def time_ticks(starts: range) -> dict[int, str]:
    """Below which bar a time stands: with the clock where the whole is short, else the days."""
    short = starts.step * len(starts) <= _SHORT_MS
    places = [place for place, start in enumerate(starts) if short or start % _DAY_MS < starts.step]
    every = max(1, -(-len(places) // _TICKS))
    return {
        place: moment(starts[place])[5:16].replace("T", " ") if short else moment(starts[place])[:10]
        for place in places[::every]
    }
