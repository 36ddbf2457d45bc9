"""The digest of a range of verdicts: what an auditor compares to know that they are those that were decided on."""

import blake3
import numpy as np

from processor.verdicts.batches import Batch


class RangeDigest:
    """Of consecutive records, however they are cut into batches: of their values, and of where and when they stood."""

    def __init__(self) -> None:
        self._values = blake3.blake3()
        self._places = blake3.blake3()

    def add(self, batch: Batch) -> None:
        """The next records."""
        lengths = np.diff(batch.values.starts)
        self._values.update(batch.values.joined)
        self._places.update(np.column_stack([batch.offsets, batch.timestamps_ms, lengths]).astype("<i8").tobytes())

    def values(self) -> bytes:
        """BLAKE3 of the values, one after the other."""
        return self._values.digest()

    def places(self) -> bytes:
        """BLAKE3 of offset, timestamp and length of each, as 64-bit little-endian numbers."""
        return self._places.digest()
