"""Kernels: a record adds to its pane, panes leave the windows, the counters are compared with the limits (design, section 2).

A sender's totals are brought up to the current pane when he is next looked at, and cells that have left the day window are freed
a few a record. So the end of a pane costs nothing at once, however many senders it holds.
"""

from typing import NamedTuple

import numpy as np

from processor.compiled import compiled
from processor.detection.layout import (
    CELLS_MAX,
    READ_AHEAD,
    Table,
)
from processor.detection.reading_ahead import read_ahead
from processor.detection.resolving import Resolved, holds_for
from processor.detection.senders import (
    find_sender,
    free_sender_if_idle,
    has_room_for,
    new_sender,
    partition_of,
)
from processor.detection.windows import DAY_MS, DAY_PANES, HOUR_PANES, PANE_MS, RING
from processor.policies.limits import EXTERNAL_RECIPIENTS, INTERNAL_RECIPIENTS, MESSAGES, SPAM_MESSAGES
from processor.types import Bytes, Doubles, Flags, Int64s
from processor.verdicts.columns import LATE, OK, UNCOUNTED, WRONG_PARTITION, Columns
from processor.verdicts.event import Verdict

DONE, DECISION, WAKE, FULL, POLICY = range(5)
"""Why `decide` stopped: all rows taken; limits exceeded by the row before; something due before the row; no room left for it;
its sender's policy to be looked up."""

_BULK, _SPAM = int(Verdict.BULK), int(Verdict.SPAM)
"""From _SPAM on every verdict is spam."""


class Limits(NamedTuple):
    """The limits of every policy as arrays: K limits in the order in which they are checked, P policies."""

    first: Int64s  # (K,) a limit adds up the totals from this place ...
    last: Int64s  # (K,) ... to this one
    messages: Int64s  # (K,) the place of the messages of the limit's window
    percent: Flags  # (K,) compared as a share of the messages
    bounds: Doubles  # (P, K) exceeded when observed is greater; inf: no limit
    percent_min_messages: Int64s  # (P,)
    alert: Flags  # (P,) every exceeded limit is of interest, not just the first
    bulk_is_spam: Flags  # (P,)


@compiled
def _touch_cell(table: Table, c: int) -> None:
    cell = table.cells[c]
    if cell.touched == 0:
        cell.touched = 1
        state = table.state[0]
        table.touched_cells[state.touched_cells] = c
        state.touched_cells += 1


@compiled
def _subtract(table: Table, s: int, window: int, c: int) -> None:
    for k in range(4):
        table.totals[s, window + k] -= table.counts[c, k]


@compiled
def bring_up(table: Table, s: int) -> None:
    """Subtract from the totals of sender `s` the cells that left a window since he was last looked at."""
    pane = table.state[0].pane
    sender = table.senders[s]
    if sender.as_of == pane:
        return
    sender.as_of = pane
    c = np.int64(sender.hour_oldest)
    while c != 0 and table.cells[c].pane < pane - HOUR_PANES + 1:
        _subtract(table, s, 0, c)
        c = np.int64(table.cells[c].newer)
    sender.hour_oldest = c
    c = np.int64(sender.day_oldest)
    while c != 0 and table.cells[c].pane < pane - DAY_PANES + 1:
        _subtract(table, s, 4, c)
        cell = table.cells[c]
        cell.sender = 0
        c = np.int64(cell.newer)
        if c == 0:
            sender.newest = 0
        else:
            table.cells[c].older = 0
    sender.day_oldest = c


@compiled
def put_on_pane(table: Table, c: int) -> None:
    """Add a cell to the list of its pane."""
    cell = table.cells[c]
    place = cell.pane & (RING - 1)
    cell.next = 0
    if table.pane_first[place] == 0:
        table.pane_first[place] = c
    else:
        table.cells[table.pane_last[place]].next = c
    table.pane_last[place] = c


@compiled
def insert_cell(table: Table, c: int, s: int, older: int, newer: int) -> None:
    """Link cell `c`, its pane set, into the cells of sender `s` between `older` and `newer` (0: none)."""
    sender = table.senders[s]
    cell = table.cells[c]
    cell.sender = s
    cell.older = older
    cell.newer = newer
    if older == 0:
        sender.day_oldest = c
    else:
        table.cells[older].newer = c
    if newer == 0:
        sender.newest = c
    else:
        table.cells[newer].older = c
    if cell.pane > table.state[0].pane - HOUR_PANES and (
        sender.hour_oldest == 0 or table.cells[sender.hour_oldest].pane > cell.pane
    ):
        sender.hour_oldest = c


@compiled
def cell_of(table: Table, s: int, pane: int) -> int:
    """The cell of sender `s` for `pane`, made if there is none."""
    newer = 0
    c = np.int64(table.senders[s].newest)
    while c != 0 and table.cells[c].pane > pane:
        newer = c
        c = np.int64(table.cells[c].older)
    if c != 0 and table.cells[c].pane == pane:
        return c
    older = c
    state = table.state[0]
    c = np.int64(state.cell_free)
    if c != 0:
        state.cell_free = table.cells[c].next
    else:
        c = np.int64(state.cell_top)
        state.cell_top += 1
    state.cells += 1
    table.cells[c].pane = pane
    for k in range(4):
        table.counts[c, k] = 0
    insert_cell(table, c, s, older, newer)
    put_on_pane(table, c)
    return c


@compiled
def free_left_cells(table: Table, at_most: int) -> None:
    """Free some of the cells whose pane has left the day window, and senders of whom nothing is left."""
    state = table.state[0]
    for _ in range(at_most):
        c = np.int64(state.left)
        if c == 0:
            return
        cell = table.cells[c]
        state.left = cell.next
        s = np.int64(cell.sender)
        if s != 0:
            bring_up(table, s)
            free_sender_if_idle(table, s)
        cell.pane = 0
        cell.next = state.cell_free
        state.cell_free = c
        state.cells -= 1


@compiled
def advance(table: Table, time_ms: int) -> None:
    """Move stream time on to `time_ms` (never back) and let panes leave the day window."""
    state = table.state[0]
    if time_ms <= state.stream_time_ms:
        return
    state.stream_time_ms = time_ms
    pane = time_ms // PANE_MS
    first = state.pane - DAY_PANES + 1
    for leaving in range(first, min(first + DAY_PANES, pane - DAY_PANES + 1)):
        place = leaving & (RING - 1)
        if table.pane_first[place] != 0:
            table.cells[table.pane_last[place]].next = state.left
            state.left = table.pane_first[place]
            table.pane_first[place] = 0
    state.pane = pane


@compiled
def drop_cells(table: Table, s: int) -> None:
    """Take all panes of sender `s` away; his counters start at zero."""
    c = np.int64(table.senders[s].newest)
    while c != 0:
        cell = table.cells[c]
        cell.sender = 0
        _touch_cell(table, c)
        c = np.int64(cell.older)
    sender = table.senders[s]
    sender.newest = sender.hour_oldest = sender.day_oldest = 0
    for k in range(8):
        table.totals[s, k] = 0


@compiled
def observed(table: Table, limits: Limits, s: int, k: int) -> int:
    """What limit `k` counts of sender `s`, whose totals are brought up."""
    total = np.int64(0)
    for counter in range(limits.first[k], limits.last[k] + 1):
        total += table.totals[s, counter]
    return total


@compiled
def exceeded_limits(table: Table, limits: Limits, policy: int, s: int) -> int:
    """A bit for each limit of row `policy` that is exceeded; only the first unless the policy alerts."""
    exceeded = 0
    for k in range(len(limits.first)):
        bound = limits.bounds[policy, k]
        count = observed(table, limits, s, k)
        if limits.percent[k]:
            messages = table.totals[s, limits.messages[k]]
            over = messages >= limits.percent_min_messages[policy] and 100.0 * count > bound * messages
        else:
            over = count > bound
        if over:
            exceeded |= 1 << k
            if not limits.alert[policy]:
                break
    return exceeded


@compiled
def _count(table: Table, s: int, pane: int, spam: int, internal: int, external: int) -> None:
    c = cell_of(table, s, pane)
    _touch_cell(table, c)
    table.counts[c, MESSAGES] += 1
    table.counts[c, SPAM_MESSAGES] += spam
    table.counts[c, INTERNAL_RECIPIENTS] += internal
    table.counts[c, EXTERNAL_RECIPIENTS] += external
    window = 0 if pane > table.state[0].pane - HOUR_PANES else 4
    while window <= 4:
        table.totals[s, window + MESSAGES] += 1
        table.totals[s, window + SPAM_MESSAGES] += spam
        table.totals[s, window + INTERNAL_RECIPIENTS] += internal
        table.totals[s, window + EXTERNAL_RECIPIENTS] += external
        window += 4


@compiled
def _has_room(table: Table, s: int, length: int) -> bool:
    """Whether a record of sender `s`, or of a new one (0) with a name of `length` bytes, finds the slots that it may need."""
    state = table.state[0]
    if state.cell_free == 0 and state.cell_top >= CELLS_MAX:
        return False
    return s != 0 or has_room_for(table, length)


@compiled
def decide(
    table: Table, limits: Limits, resolved: Resolved, columns: Columns, buffer: Bytes, first: int, end: int
) -> int:
    """Take rows `first` to `end` (exclusive) up; returns the row to go on with, `state.stopped_for` says why it stopped.

    DECISION: row - 1 made `state.decided_sender` exceed the limits whose bits are in `state.exceeded`. WAKE: the row would move
    stream time to `state.wake_at_ms` or past it, and was not touched. FULL: the table has no room for the row. POLICY:
    `columns.policy[row]` has to be filled in before the row can be counted.
    """
    state = table.state[0]
    ahead = first
    for row in range(first, end):
        if row == ahead:
            ahead = min(row + READ_AHEAD, end)
            read_ahead(table, columns, row, ahead)
        if columns.status[row] != OK:
            continue
        free_left_cells(table, 2)
        start = columns.sender_start[row]
        length = np.int64(columns.sender_length[row])
        h = np.int64(columns.sender_hash[row])
        s = find_sender(table, buffer, start, length, h)
        if s == 0 and partition_of(buffer, start, length, state.partitions) != state.partition:
            columns.status[row] = WRONG_PARTITION
            continue
        occurred_at_ms = columns.occurred_at_ms[row]
        if max(occurred_at_ms, state.stream_time_ms) >= state.wake_at_ms:
            state.stopped_for = WAKE
            return row
        advance(table, occurred_at_ms)
        pane = occurred_at_ms // PANE_MS
        if pane < state.pane - DAY_PANES + 1:
            columns.status[row] = LATE
            state.late += 1
            continue
        if not _has_room(table, s, length):
            free_left_cells(table, CELLS_MAX)  # all of them, at once: better a pause than no room
            s = find_sender(table, buffer, start, length, h)
            if not _has_room(table, s, length):
                state.stopped_for = FULL
                return row
        if s == 0:
            s = new_sender(table, buffer, start, length, h)
        sender = table.senders[s]
        if occurred_at_ms < sender.counts_from_ms:
            columns.status[row] = UNCOUNTED
            state.uncounted += 1
            continue
        number = np.int64(sender.policy)
        if number == 0 or not holds_for(
            resolved, number, buffer, columns.tenant_start[row], np.int64(columns.tenant_length[row])
        ):
            number = resolved.everyone[0] if resolved.everyone[0] != 0 else np.int64(columns.policy[row])
            if number == 0:
                state.stopped_for = POLICY
                return row
            sender.policy = number
        policy = resolved.row[number]
        bring_up(table, s)
        verdict = columns.verdict[row]
        spam = 1 if verdict >= _SPAM or (verdict == _BULK and limits.bulk_is_spam[policy]) else 0
        _count(table, s, pane, spam, columns.internal_recipients[row], columns.external_recipients[row])
        if sender.restricted:
            continue
        exceeded = exceeded_limits(table, limits, policy, s)
        if exceeded != 0 and limits.alert[policy] and sender.alerted_day == state.stream_time_ms // DAY_MS:
            exceeded &= ~np.int64(sender.alerted)
        if exceeded != 0:
            state.decided_sender = s
            state.exceeded = exceeded
            state.stopped_for = DECISION
            return row + 1
    state.stopped_for = DONE
    return end


@compiled
def relink(table: Table, cells_by_pane: Int64s) -> bool:
    """Rebuild lists and totals from the senders and cells that a restore has put in place.

    `cells_by_pane`: the live cells, ordered by pane. Senders are findable already. False where a sender has two cells of one pane.
    """
    for i in range(len(cells_by_pane)):
        c = cells_by_pane[i]
        cell = table.cells[c]
        s = np.int64(cell.sender)
        newest = np.int64(table.senders[s].newest)
        if newest != 0 and table.cells[newest].pane == cell.pane:
            return False
        insert_cell(table, c, s, newest, 0)
        put_on_pane(table, c)
        window = 0 if cell.pane > table.state[0].pane - HOUR_PANES else 4
        while window <= 4:
            for k in range(4):
                table.totals[s, window + k] += table.counts[c, k]
            window += 4
    return True
