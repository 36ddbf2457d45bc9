"""Kernels: whose each record is, and which block, had it been real, would have stopped it."""

from typing import NamedTuple

import numpy as np

from processor.compiled import compiled
from processor.detection.layout import Table
from processor.detection.senders import find_sender, has_room_for, new_sender
from processor.types import Bytes, Flags, Int64s
from processor.verdicts.columns import LATE, OK, UNCOUNTED, Columns
from processor.verdicts.event import Verdict

MESSAGES, SPAM_MESSAGES, BULK_MESSAGES, SENDERS, FIRST_MS, LAST_MS = range(6)
"""The places of what is known of all records together."""
_BULK, _SPAM = int(Verdict.BULK), int(Verdict.SPAM)
"""From _SPAM on every verdict is spam."""


class Stretches(NamedTuple):
    """For how long each block lasts, and what it stops. Block 0 is none."""

    newest: Int64s  # (senders,) the latest block of each sender, by his number
    older: Int64s  # (B,) the same sender's block before
    offset: Int64s  # (B,) of the record that caused it, which itself was sent
    from_ms: Int64s  # (B,)
    until_ms: Int64s  # (B,) exclusive
    bulk_is_spam: Flags  # (B,)
    messages: Int64s  # (B,) stopped so far
    spam_messages: Int64s  # (B,)


@compiled
def number_senders(table: Table, columns: Columns, buffer: Bytes, end: int, numbers: Int64s, totals: Int64s) -> bool:
    """Write the sender's number of each row before `end` that is a valid record, else 0, and add it to the totals.

    Numbers are never used again. False when there is no room for one more sender.
    """
    for row in range(end):
        numbers[row] = 0
        status = columns.status[row]
        if status not in (OK, LATE, UNCOUNTED):
            continue
        start = columns.sender_start[row]
        length = np.int64(columns.sender_length[row])
        h = np.int64(columns.sender_hash[row])
        s = find_sender(table, buffer, start, length, h)
        if s == 0:
            if not has_room_for(table, length):
                return False
            s = new_sender(table, buffer, start, length, h)
        numbers[row] = s
        sender = table.senders[s]
        if sender.kept == 0:  # known already are those whom a command names before they have sent
            sender.kept = 1
            totals[SENDERS] += 1
        at_ms = columns.occurred_at_ms[row]
        verdict = columns.verdict[row]
        totals[MESSAGES] += 1
        totals[SPAM_MESSAGES] += 1 if verdict >= _SPAM else 0
        totals[BULK_MESSAGES] += 1 if verdict == _BULK else 0
        totals[FIRST_MS] = min(totals[FIRST_MS], at_ms)
        totals[LAST_MS] = max(totals[LAST_MS], at_ms)
    return True


@compiled
def count_stopped(stretches: Stretches, columns: Columns, numbers: Int64s, offsets: Int64s, end: int) -> None:
    """Count the rows before `end` whose sender was blocked when they were sent.

    It is the time that decides, not the place in the log: what was sent before the block and came in after it had left already.
    """
    for row in range(end):
        b = stretches.newest[numbers[row]]
        at_ms = columns.occurred_at_ms[row]
        while b != 0 and at_ms < stretches.from_ms[b]:
            b = stretches.older[b]
        if b == 0 or at_ms >= stretches.until_ms[b] or offsets[row] <= stretches.offset[b]:
            continue
        verdict = columns.verdict[row]
        stretches.messages[b] += 1
        stretches.spam_messages[b] += 1 if verdict >= _SPAM or (verdict == _BULK and stretches.bulk_is_spam[b]) else 0
