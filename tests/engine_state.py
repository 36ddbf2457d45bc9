"""What an engine knows, told without its numbers and slots: two engines that agree here decide alike for ever."""

from typing import Any

from processor.detection.engine import Engine
from processor.detection.evidence import counters
from processor.detection.layout import GRANULE
from processor.detection.windows import DAY_PANES, day_of, is_late, pane_of
from processor.restrictions.life import HISTORY_MS


def state_of(engine: Engine) -> dict[str, Any]:
    """Stream time, the brake, and for each sender his cells in the day window and what else is remembered of him."""
    table = engine.table
    now_ms = engine.stream_time_ms
    pane = pane_of(now_ms)
    senders: dict[str, dict[str, Any]] = {}
    for s in range(1, int(table.state[0].sender_top)):
        sender = table.senders[s]
        if sender.name_length == 0:
            continue
        cells: dict[int, list[int]] = {}
        c = int(sender.newest)
        while c != 0:
            cell = table.cells[c]
            if cell.pane > pane - DAY_PANES:
                cells[int(cell.pane)] = [int(n) for n in table.counts[c]]
            c = int(cell.older)
        counts_from_ms = int(sender.counts_from_ms)
        known = {
            "cells": cells,
            "counts_from": 0 if is_late(pane_of(counts_from_ms), pane) else counts_from_ms,
            "alerted": int(sender.alerted) if sender.alerted_day == day_of(now_ms) else 0,
            "restriction": engine.restrictions.get(s),
            "counts_from_offset": 0 if is_late(pane_of(counts_from_ms), pane) else engine.releases.get(s, 0),
            "blocks": [at for at in engine.blocks.get(s, []) if at >= now_ms - HISTORY_MS],
            "unblocks": [at for at in engine.unblocks.get(s, []) if at >= now_ms - HISTORY_MS],
        }
        if any(known.values()):
            at = int(sender.name_at) * GRANULE
            name = table.names[at : at + int(sender.name_length)].tobytes().decode()
            assert name not in senders, "one sender under two numbers"
            senders[name] = known
    return {
        "stream_time": now_ms,
        "brake": {at: count for at, count in engine.brake.items() if at >= pane - 1},
        "senders": senders,
    }


def totals_are_sums(engine: Engine) -> None:
    """The running totals of every sender are what his cells add up to."""
    pane = pane_of(engine.stream_time_ms)
    for s in range(1, int(engine.table.state[0].sender_top)):
        if engine.table.senders[s].name_length == 0:
            continue
        hour, day = counters(engine.table, s)
        cells = []
        c = int(engine.table.senders[s].newest)
        while c != 0:
            cells.append((int(engine.table.cells[c].pane), [int(n) for n in engine.table.counts[c]]))
            c = int(engine.table.cells[c].older)
        for window, panes in ((hour, 12), (day, DAY_PANES)):
            counts = [counts for at, counts in cells if at > pane - panes]
            expected = [sum(column) for column in zip([0, 0, 0, 0], *counts, strict=True)]
            assert [
                window.messages,
                window.spam_messages,
                window.internal_recipients,
                window.external_recipients,
            ] == expected
