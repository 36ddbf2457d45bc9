"""Kernel: touch the memory that the next rows will need, all at once. What is read here decides nothing.

With more senders than the processor's caches hold, a row waits for memory time and again, each wait for what the one before it
found: bucket, sender, name, the cells that are added to or leave a window. In loops as short as these the waits of many rows overlap.
Measured, ns a record in `decide` over 30 hours: 100,000 senders, evenly spread, 570 to 310; 14,500 skewed, 180 to 150.
"""

import numpy as np

from processor.compiled import compiled
from processor.detection.layout import GRANULE, Table
from processor.detection.senders import bucket_of
from processor.verdicts.columns import Columns


@compiled
def read_ahead(table: Table, columns: Columns, first: int, end: int) -> None:
    """Touch what rows `first` to `end` (exclusive, at most READ_AHEAD) will probably need; bad rows may name anything."""
    seen = 0
    for row in range(first, end):
        table.ahead[row - first] = table.buckets[bucket_of(table, int(columns.sender_hash[row]))]
    for row in range(first, end):
        s = table.ahead[row - first]
        while s != 0 and table.senders[s].hash != columns.sender_hash[row]:
            s = table.senders[s].chain
        sender = table.senders[s]
        table.ahead[row - first] = s
        seen += table.totals[s, 0] + table.names[np.int64(sender.name_at) * GRANULE]
    for row in range(first, end):
        sender = table.senders[table.ahead[row - first]]
        hour = sender.hour_oldest
        day = sender.day_oldest
        newest = sender.newest
        seen += np.int64(table.cells[newest].pane) + table.counts[newest, 0]
        seen += np.int64(table.cells[hour].pane) + table.counts[hour, 0]
        seen += np.int64(table.cells[day].pane) + table.counts[day, 0]
    table.state[0].read_ahead = seen
