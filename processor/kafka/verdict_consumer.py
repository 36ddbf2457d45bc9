"""The group member that reads the verdicts: batches by partition, and who owns which partition now."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import cast

import numpy as np
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message, TopicPartition

from processor.kafka.group import GroupMember, end_of
from processor.kafka.reading import place
from processor.types import Int64s

_MORE_WAIT_S = 0.005
"""How long the first records of a batch wait for more: consume() returns when it has all it was asked for, or then."""


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive records of one partition."""

    partition: int
    messages: list[Message]
    values: list[bytes | None]
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
        if row == len(self.values):
            return self
        return Run(self.partition, self.messages[:row], self.values[:row], self.offsets[:row], self.timestamps_ms[:row])


@dataclass(frozen=True, slots=True)
class End:
    """A partition was read to its end, as it was then; `offset` is past the last record, control records included."""

    partition: int
    offset: int


class VerdictConsumer(GroupMember):
    """A group member that gives columns instead of single records, and tells where a partition ends."""

    def poll(self, at_most: int, wait_s: float) -> list[Run | End]:
        """What has come, up to `at_most` records, waiting up to `wait_s` for the first of them.

        Raises RecordsGone when retention was faster, Fenced, ReadingFailed, and whatever the owner raised.
        """
        messages = self.polled(lambda: self.client.consume(at_most, _MORE_WAIT_S))
        if not messages:
            # One alone, and what follows it with the next poll: partitions may come and go between two calls of the client.
            messages = self.polled(lambda: self.client.consume(1, wait_s))
        return list(runs_of(messages)) if messages else []

    def behind(self, partition: int, next_offset: int) -> int | None:
        """How many records are still to come, as of the last fetch; None before the first."""
        _, high = self.client.get_watermark_offsets(TopicPartition(self.topic, partition), cached=True)
        return max(0, high - next_offset) if high >= 0 else None


def runs_of(messages: list[Message]) -> Iterable[Run | End]:
    """What a consumer gave at once, as runs of consecutive records of one partition. Raises as `end_of`."""
    count = len(messages)
    timestamps = np.fromiter(map(itemgetter(1), map(Message.timestamp, messages)), np.int64, count)
    if timestamps.min() < 0:  # records have a timestamp, errors do not
        good = []
        for message in messages:
            if message.error() is None:
                good.append(message)
            elif end_of(message):
                yield from runs_of(good) if good else ()
                good = []
                yield End(*place(message))
        if not good:
            return
        messages, count = good, len(good)
        timestamps = np.fromiter(map(itemgetter(1), map(Message.timestamp, messages)), np.int64, count)
    partitions = np.fromiter(cast("map[int]", map(Message.partition, messages)), np.int32, count)
    cuts = [0, *(np.flatnonzero(np.diff(partitions)) + 1).tolist(), count]
    for first, after in pairwise(cuts):
        run = messages[first:after]
        values = cast("list[bytes | None]", list(map(Message.value, run)))
        yield Run(int(partitions[first]), run, values, _offsets(run), timestamps[first:after])


def _offsets(run: list[Message]) -> Int64s:
    """The offsets of a run: they only rise, so it has no gaps if the last is as far from the first as there are records.

    Gaps are few, where control records stand. Asking every message took a tenth of the time that its columns take.
    """
    first, last = cast("int", run[0].offset()), cast("int", run[-1].offset())
    if last - first == len(run) - 1:
        return np.arange(first, last + 1, dtype=np.int64)
    half = len(run) // 2
    return np.concatenate([_offsets(run[:half]), _offsets(run[half:])])
