"""Senders by their names, one at a time: for commands, which name a sender outside any batch."""

import numpy as np

from processor.detection.layout import Table
from processor.detection.senders import find_sender, has_room_for, name_hash, new_sender, partition_of
from processor.types import Bytes


def belongs_here(table: Table, name: bytes) -> bool:
    """Whether a sender of this name is at home in the table's partition."""
    state = table.state[0]
    return bool(partition_of(_buffer(name), 0, len(name), int(state.partitions)) == state.partition)


def number_of(table: Table, name: bytes) -> int:
    """The number of the sender; 0: none."""
    return int(find_sender(table, _buffer(name), 0, len(name), _hash(table, name)))


def is_room_for(table: Table, name: bytes) -> bool:
    """Whether the table has room for one more sender of this name."""
    return bool(has_room_for(table, len(name)))


def enter(table: Table, name: bytes) -> int:
    """Give a sender that is not known yet a number."""
    return int(new_sender(table, _buffer(name), 0, len(name), _hash(table, name)))


def _hash(table: Table, name: bytes) -> int:
    return int(name_hash(_buffer(name), 0, len(name), int(table.state[0].seed)))


def _buffer(name: bytes) -> Bytes:
    return np.frombuffer(name, np.uint8)
