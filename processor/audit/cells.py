"""A sender's cells, read out of a replay that stands at the moment of interest."""

from processor.audit.timeline import Timeline
from processor.detection.by_name import number_of
from processor.detection.engine import Engine
from processor.detection.windows import DAY_PANES, pane_of
from processor.restrictions.events import WindowCounters


def timeline_of(engine: Engine, sender: str) -> Timeline | None:
    """What the engine counts of a sender, as of its stream time; None before the first verdict."""
    if engine.stream_time_ms < 0:
        return None
    table, last = engine.table, pane_of(engine.stream_time_ms)
    panes: dict[int, WindowCounters] = {}
    s = number_of(table, sender.encode())
    c = int(table.senders[s].newest) if s else 0
    while c != 0:
        cell = table.cells[c]
        # Cells that have left the window are taken away when somebody next looks at the sender.
        if cell.pane > last - DAY_PANES:
            panes[int(cell.pane)] = WindowCounters(*(int(count) for count in table.counts[c]))
        c = int(cell.older)
    return Timeline(last, dict(sorted(panes.items())))
