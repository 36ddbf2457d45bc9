"""What verdicts say of one sender, counted from batches of everybody's."""

from collections import Counter

import numpy as np

from processor.detection.senders import name_hash
from processor.types import Int64s
from processor.verdicts.batches import Batch
from processor.verdicts.columns import OK
from processor.verdicts.event import Verdict


class Judgements:
    """Verdicts of one sender by judgement. `seed` is that of the decoder; rejected verdicts are none."""

    def __init__(self, sender: str, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._name = sender.encode()
        self._hash = int(name_hash(np.frombuffer(self._name, np.uint8), 0, len(self._name), seed))

    def take(self, batch: Batch, rejected: Int64s) -> None:
        """The next verdicts; `rejected` are the offsets of those that were not counted."""
        columns, rows = batch.columns, len(batch)
        candidates = (
            (columns.status[:rows] == OK)
            & (columns.sender_hash[:rows] == self._hash)
            & (columns.sender_length[:rows] == len(self._name))
            & ~np.isin(batch.offsets, rejected)
        )
        for row in np.flatnonzero(candidates).tolist():
            start = int(columns.sender_start[row])
            if batch.buffer[start : start + len(self._name)].tobytes() == self._name:
                self.counts[Verdict(int(columns.verdict[row])).name] += 1
