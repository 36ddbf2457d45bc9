"""Stretching a recording that was made in seconds over a longer time, for trials: the windows of a detector are hours and days."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from processor.verdicts.event import MessageVerdict
from processor.verdicts.reading import Arrived, Entry


@dataclass(frozen=True, slots=True)
class Recording:
    """What must be known of a recording before it can be stretched: how many lines, and its first and last time, if any."""

    lines: int
    first_ms: int | None
    last_ms: int | None


def survey(entries: Iterable[tuple[int, Entry]]) -> Recording:
    """One pass over the numbered entries of a recording."""
    lines, times = 0, (None, None)
    first, last = times
    for number, entry in entries:
        lines = number
        if isinstance(entry, MessageVerdict):
            at = entry.occurred_at_ms
            first = at if first is None or at < first else first
            last = at if last is None or at > last else last
    return Recording(lines, first, last)


@dataclass(frozen=True, slots=True)
class Spread:
    """A recording over `span_ms`, its last moment at `end_ms`.

    Times keep their relative distances; entries without one stand evenly, by their line. A recording whose times are all the
    same is treated as one without times.
    """

    recording: Recording
    span_ms: int
    end_ms: int

    def place(self, number: int, entry: Entry) -> Entry:
        """The entry at its new time."""
        if isinstance(entry, Arrived):
            return self._at(self._by_line(number), entry.verdict)
        if isinstance(entry, MessageVerdict):
            first, last = self.recording.first_ms, self.recording.last_ms
            if first is None or last is None or first == last:
                return self._at(self._by_line(number), entry)
            return self._at((entry.occurred_at_ms - first) / (last - first), entry)
        return entry

    def _by_line(self, number: int) -> float:
        return 1.0 if self.recording.lines <= 1 else (number - 1) / (self.recording.lines - 1)

    def _at(self, part: float, verdict: MessageVerdict) -> MessageVerdict:
        return replace(verdict, occurred_at_ms=self.end_ms - round((1 - part) * self.span_ms))
