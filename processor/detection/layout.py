"""Where one partition's counts lie in memory: structured arrays that the kernels walk.

Every array is a reserved range of address space whose pages the operating system hands out when they are first touched. So
an array never moves and never has to be copied to grow (doubling one paused 0.4 s at five million senders), and a partition with
few senders takes little memory. All pages start as zeros, therefore slot 0 of senders and cells means "none".
"""

import mmap
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from processor.detection.windows import RING
from processor.types import Bytes, Int64s, Uint32s

_MAP_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)  # named since Python 3.13; Linux's value on x86-64 and arm64
SENDERS_MAX = 1 << 25
CELLS_MAX = 1 << 28
NAME_GRANULES_MAX = 1 << 30
GRANULE = 4
"""Names lie in granules of so many bytes: 32 bits are enough for all the room reserved, and a free one holds the next one of its size."""
READ_AHEAD = 64
"""Rows whose memory is touched before the first of them is decided on."""
NAME_CLASSES = 128
"""Free lists of names: one for each number of granules up to 64, beyond that one for each power of two."""

Scalar = TypeVar("Scalar", bound=np.generic)


def _record(fields: list[tuple[str, str]]) -> np.dtype[np.void]:
    return np.dtype((np.record, np.dtype(fields)))


SENDER = _record(
    [
        ("name_at", "u4"),  # granule
        ("name_length", "u4"),  # bytes
        ("hash", "u4"),
        ("chain", "u4"),  # the next sender of the same bucket, or of the free list
        ("newest", "u4"),  # cell
        ("hour_oldest", "u4"),  # the oldest cell that the hour totals include
        ("day_oldest", "u4"),  # the oldest cell that the day totals include
        ("as_of", "i4"),  # the pane up to which the totals are brought
        ("policy", "u4"),  # which policy applies, by the numbers of processor.detection.resolving; 0: not looked up
        ("alerted_day", "i4"),  # UTC day, days since 1970
        ("counts_from_ms", "i8"),  # only records that occurred then or later count; 0: all
        ("alerted", "u2"),  # a bit for each limit alerted on that day, the last one for the brake
        ("restricted", "u1"),
        ("kept", "u1"),  # has something besides cells to remember
        ("touched", "u1"),
    ]
)
CELL = _record(
    [
        ("pane", "i4"),
        ("sender", "u4"),
        ("older", "u4"),
        ("newer", "u4"),
        ("next", "u4"),  # the next cell of the same pane, or of the free list
        ("touched", "u1"),
    ]
)
STATE = _record(
    [
        ("stream_time_ms", "i8"),  # -1 before the first record
        ("pane", "i8"),
        ("wake_at_ms", "i8"),  # before the first record at or past this the shell has something to do
        ("partition", "i8"),
        ("partitions", "i8"),
        ("seed", "i8"),
        ("bucket_level", "i8"),  # linear hashing: 2**level buckets, of which the first `bucket_split` are split
        ("bucket_split", "i8"),
        ("senders", "i8"),  # in use
        ("sender_top", "i8"),
        ("sender_free", "i8"),
        ("cells", "i8"),  # in use
        ("cell_top", "i8"),
        ("cell_free", "i8"),
        ("left", "i8"),  # cells whose pane has left the day window, not yet freed
        ("name_top", "i8"),
        ("touched_cells", "i8"),
        ("touched_senders", "i8"),
        ("late", "i8"),
        ("uncounted", "i8"),
        ("decided_sender", "i8"),
        ("exceeded", "i8"),
        ("stopped_for", "i8"),
        ("read_ahead", "i8"),  # means nothing: takes what was read, or the compiler would leave the reading out
    ]
)


class Table(NamedTuple):
    """The arrays of one partition. Lengths are what is reserved, not what is used.

    Links are unsigned: a signed index costs a test for Python's negative indices (66 to 40 ns a record).
    """

    state: npt.NDArray[np.void]  # (1,) STATE
    senders: npt.NDArray[np.void]  # (SENDERS_MAX,) SENDER
    totals: Int64s  # (SENDERS_MAX, 8): the four counters of the hour, then of the day
    names: Bytes  # (NAME_GRANULES_MAX * GRANULE,)
    name_free: Uint32s  # (NAME_CLASSES,) granule
    buckets: Uint32s  # (2 * SENDERS_MAX,) sender
    cells: npt.NDArray[np.void]  # (CELLS_MAX,) CELL
    counts: Int64s  # (CELLS_MAX, 4)
    pane_first: Uint32s  # (RING,) cell
    pane_last: Uint32s  # (RING,) cell
    touched_cells: Uint32s  # (CELLS_MAX,) changed since the last commit, in order of first change
    touched_senders: Uint32s  # (SENDERS_MAX,)
    ahead: Uint32s  # (READ_AHEAD,) where the memory is that the next rows will need


def _reserve(dtype: np.dtype[Scalar], *shape: int) -> npt.NDArray[Scalar]:
    size = int(np.prod(shape)) * dtype.itemsize
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
    return np.frombuffer(pages, dtype=dtype).reshape(shape)


def new_table(partition: int, partitions: int, seed: int) -> Table:
    """An empty table for `partition` of `partitions`.

    Raises MemoryError where the system does not let a process reserve address space (`vm.overcommit_memory=2`, `ulimit -v`).
    """
    try:
        table = Table(
            state=np.zeros(1, STATE),
            senders=_reserve(SENDER, SENDERS_MAX),
            totals=_reserve(np.dtype(np.int64), SENDERS_MAX, 8),
            names=_reserve(np.dtype(np.uint8), NAME_GRANULES_MAX * GRANULE),
            name_free=np.zeros(NAME_CLASSES, np.uint32),
            buckets=_reserve(np.dtype(np.uint32), 2 * SENDERS_MAX),
            cells=_reserve(CELL, CELLS_MAX),
            counts=_reserve(np.dtype(np.int64), CELLS_MAX, 4),
            pane_first=np.zeros(RING, np.uint32),
            pane_last=np.zeros(RING, np.uint32),
            touched_cells=_reserve(np.dtype(np.uint32), CELLS_MAX),
            touched_senders=_reserve(np.dtype(np.uint32), SENDERS_MAX),
            ahead=np.zeros(READ_AHEAD, np.uint32),
        )
    except OSError as error:
        raise MemoryError(
            "cannot reserve address space for the counters: allow it (vm.overcommit_memory 0 or 1, no `ulimit -v`); "
            f"pages are taken only as they are used ({error})"
        ) from error
    state = table.state[0]
    state.stream_time_ms = -1
    state.wake_at_ms = 0
    state.partition, state.partitions, state.seed = partition, partitions, seed
    state.sender_top = state.cell_top = state.name_top = 1
    state.bucket_level = 10
    return table
