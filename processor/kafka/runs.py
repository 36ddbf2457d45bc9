"""Runs of verdicts: consecutive records of one partition, as columns; and how they come out of a consumer message by message."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Any, Protocol, cast

import numpy as np
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, Message

from processor.kafka.group import end_of
from processor.kafka.reading import place
from processor.types import Int64s
from processor.verdicts.payloads import Payloads

MORE_WAIT_S = 0.005
"""How long the first records of a batch wait for more: the client returns when it has all it was asked for, or then."""


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive records of one partition. `messages` can be asked for until the next records are taken, no longer."""

    partition: int
    messages: Sequence[Message]
    values: Payloads
    offsets: Int64s
    timestamps_ms: Int64s

    @property
    def is_stamped_by_broker(self) -> bool:
        """Whether the topic stamps records as they arrive, instead of believing their feeders."""
        return self.messages[0].timestamp()[0] == TIMESTAMP_LOG_APPEND_TIME

    def from_row(self, row: int) -> "Run":
        """Without the first `row` records."""
        return Run(self.partition, self.messages[row:], self.values[row:], self.offsets[row:], self.timestamps_ms[row:])

    def up_to_row(self, row: int) -> "Run":
        """The first `row` records."""
        if row == len(self.offsets):
            return self
        return Run(self.partition, self.messages[:row], self.values[:row], self.offsets[:row], self.timestamps_ms[:row])


@dataclass(frozen=True, slots=True)
class End:
    """A partition was read to its end, as it was then; `offset` is past the last record, control records included."""

    partition: int
    offset: int


Call = Callable[[Callable[[], Any]], Any]
"""Makes a call of the client that may run the group's callbacks, and raises what they raised."""


class RunSource(Protocol):
    """A consumer's records as runs.

    `expect` partitions before they are assigned, `forget` them after they are not any more, and `close` it before the consumer.
    """

    def expect(self, partitions: Iterable[int]) -> None: ...

    def forget(self, partitions: Iterable[int]) -> None: ...

    def take(self, at_most: int, wait_s: float) -> list[Run | End]:
        """What has come, up to `at_most` records, waiting up to `wait_s` for the first of them. Raises as `end_of`."""

    def close(self) -> None: ...


class MessageByMessage:
    """By the client's own calls: one Python object a record."""

    def __init__(self, client: Consumer, call: Call) -> None:
        self._client = client
        self._call = call

    def expect(self, partitions: Iterable[int]) -> None:
        """They come as they are."""

    def forget(self, partitions: Iterable[int]) -> None:
        """They come no more."""

    def take(self, at_most: int, wait_s: float) -> list[Run | End]:
        """As RunSource says."""
        messages = self._call(lambda: self._client.consume(at_most, MORE_WAIT_S))
        if not messages:
            # One alone, and what follows it with the next call: partitions may come and go between two calls of the client.
            messages = self._call(lambda: self._client.consume(1, wait_s))
        return list(runs_of(messages))

    def close(self) -> None:
        """Nothing is held."""


def runs_of(messages: list[Message]) -> Iterable[Run | End]:
    """What a consumer gave at once, as runs of consecutive records of one partition. Raises as `end_of`."""
    good: list[Message] = []
    for message in messages:
        if message.error() is None:
            good.append(message)
        elif end_of(message):
            yield from _runs_of_records(good)
            good = []
            yield End(*place(message))
    yield from _runs_of_records(good)


def _runs_of_records(messages: list[Message]) -> Iterable[Run]:
    count = len(messages)
    timestamps = np.fromiter(map(itemgetter(1), map(Message.timestamp, messages)), np.int64, count)
    partitions = np.fromiter(cast("map[int]", map(Message.partition, messages)), np.int32, count)
    for first, after in pairwise([0, *(np.flatnonzero(np.diff(partitions)) + 1).tolist(), count]) if count else ():
        run = messages[first:after]
        offsets = np.fromiter(cast("map[int]", map(Message.offset, run)), np.int64, len(run))
        values = Payloads.of(cast("list[bytes | None]", list(map(Message.value, run))))
        yield Run(int(partitions[first]), run, values, offsets, timestamps[first:after])
