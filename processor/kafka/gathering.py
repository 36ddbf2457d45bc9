"""Kernels over librdkafka's own messages: their fields to columns, their values into one buffer.

A message is known here by its address. librdkafka's functions are called by their names, which `processor.kafka.librdkafka`
has made known to the compiler; so nothing here can be called before that, nor without the compiler.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types

from processor.compiled import compiled
from processor.types import Int64s

MESSAGE = np.dtype(
    {
        "names": ["error", "partition", "value", "value_size", "key", "key_size", "offset"],
        "formats": [np.int32, np.int32, np.int64, np.int64, np.int64, np.int64, np.int64],
        "offsets": [0, 16, 24, 32, 40, 48, 56],
        "itemsize": 72,
    }
)
"""What of `rd_kafka_message_t` (rdkafka.h) is looked at, on a machine with addresses of 64 bits; addresses are numbers."""

_consume: Any = types.ExternalFunction(
    "rd_kafka_consume_batch_queue", types.intp(types.intp, types.intc, types.intp, types.uintp)
)
_copy: Any = types.ExternalFunction("memcpy", types.intp(types.intp, types.intp, types.intp))
_timestamp: Any = types.ExternalFunction("rd_kafka_message_timestamp", types.int64(types.intp, types.intp))
_destroy: Any = types.ExternalFunction("rd_kafka_message_destroy", types.void(types.intp))
_SIZE = MESSAGE.itemsize


@compiled
def take(queue: int, wait_ms: int, addresses: Int64s, at_most: int, held: Int64s) -> None:
    """Take up to `at_most` messages out of a queue, waiting so long for the first; `held[0]` is how many there are.

    That stands as soon as they are taken: what a signal's handler raises comes between two steps of Python, not in here.
    """
    held[0] = max(0, _consume(queue, np.int32(wait_ms), addresses.ctypes.data, at_most))


@compiled
def look(addresses: Int64s, count: int, messages_at: int, timestamps_ms: Int64s, kind_at: int) -> None:
    """Copy what `count` messages say of themselves to the array of MESSAGE that lies at `messages_at`, and their timestamps.

    At `kind_at` there is room for an int, which tells nothing here: whose the timestamp is.
    """
    for row in range(count):
        _copy(messages_at + row * _SIZE, addresses[row], _SIZE)
        timestamps_ms[row] = _timestamp(addresses[row], kind_at)


@compiled
def gather(messages: npt.NDArray[np.void], buffer_at: int, starts: Int64s) -> None:
    """The values of the messages end to end, from `buffer_at` on; `starts` gets where each begins, and the end."""
    at = 0
    for row in range(len(messages)):
        starts[row] = at
        size = messages[row].value_size
        _copy(buffer_at + at, messages[row].value, size)
        at += size
    starts[len(messages)] = at


@compiled
def let_go(addresses: Int64s, held: Int64s) -> None:
    """Give what is held back to librdkafka, once."""
    for row in range(held[0]):
        _destroy(addresses[row])
    held[0] = 0
