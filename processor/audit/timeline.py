"""A sender's day in panes of five minutes: what his windows held at one moment, and when that came in."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass

from processor.detection.windows import DAY_PANES, PANE_MS
from processor.restrictions.events import WindowCounters

EMPTY = WindowCounters(0, 0, 0, 0)


def added(counters: list[WindowCounters]) -> WindowCounters:
    """The sum, counter by counter."""
    return WindowCounters(*(sum(column) for column in zip(astuple(EMPTY), *map(astuple, counters), strict=True)))


@dataclass(frozen=True, slots=True)
class Timeline:
    """The day window that ends with `last_pane`, the pane of the stream time; `panes` has those in which something was counted."""

    last_pane: int
    panes: Mapping[int, WindowCounters]

    @property
    def end_ms(self) -> int:
        """The exclusive end of the last pane."""
        return (self.last_pane + 1) * PANE_MS

    def start_ms(self, panes: int = DAY_PANES) -> int:
        """Where a window of so many panes begins."""
        return self.end_ms - panes * PANE_MS

    def window(self, panes: int) -> WindowCounters:
        """What the last so many panes hold."""
        return added([counters for pane, counters in self.panes.items() if pane > self.last_pane - panes])

    def series(self, panes: int, each: int) -> list[WindowCounters]:
        """The last `panes` panes in pieces of `each`, the oldest first; `each` is a divisor of `panes`."""
        pieces: list[list[WindowCounters]] = [[] for _ in range(panes // each)]
        first = self.last_pane - panes + 1
        for pane, counters in self.panes.items():
            if pane >= first:
                pieces[(pane - first) // each].append(counters)
        return [added(piece) if piece else EMPTY for piece in pieces]
