"""The group member that reads the verdicts: batches by partition, and who owns which partition now."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import cast

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from processor.kafka.clients import ClientSettings, consumer
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.reading import ReadingStopped, place, raise_unless_end
from processor.kafka.transactions import Fenced
from processor.types import Int64s

_log = structlog.get_logger(__name__)

_COMMITTED_TIMEOUT_S = 5.0
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

    def from_row(self, row: int) -> "Run":
        """Without the first `row` records."""
        return Run(self.partition, self.messages[row:], self.values[row:], self.offsets[row:], self.timestamps_ms[row:])


@dataclass(frozen=True, slots=True)
class End:
    """A partition was read to its end, as it was then; `offset` is past the last record, control records included."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Committed:
    """What the group has committed of a partition; an offset below 0: nothing."""

    partition: int
    offset: int
    metadata: str | None


Owners = Callable[[list[int]], dict[int, int]]
"""Told which partitions came, returns at which offset each is to be read from."""


class VerdictConsumer:
    """Subscribed to one topic. What the callbacks raise comes out of `poll`."""

    def __init__(
        self,
        settings: ClientSettings,
        topic: str,
        *,
        group: str,
        slot: str | None,
        partition_eof: bool,
        assigned: Owners,
        revoked: Callable[[list[int]], None],
        lost: Callable[[list[int]], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.topic = topic
        self._settings = settings
        self._should_stop = should_stop
        self.client: Consumer = consumer(settings, group=group, slot=slot, partition_eof=partition_eof)
        self._assigned = assigned
        self._revoked = revoked
        self._lost = lost
        self._raised: BaseException | None = None
        self.client.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def poll(self, at_most: int, wait_s: float) -> list[Run | End]:
        """What has come, up to `at_most` records, waiting up to `wait_s` for the first of them.

        Raises RecordsGone when retention was faster, Fenced, ReadingFailed, and whatever a callback raised.
        """
        try:
            messages = self.client.consume(at_most, _MORE_WAIT_S)
            if not messages and self._raised is None:
                first = self.client.poll(wait_s)
                if first is not None:
                    messages = [first, *self.client.consume(at_most - 1, _MORE_WAIT_S)]
        except KafkaException as error:
            if error.args[0].fatal():
                raise _fenced(error.args[0]) from None
            raise
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        return list(_runs(messages)) if messages else []

    def committed(self, partitions: Iterable[int]) -> list[Committed]:
        """The group's committed offsets; waits until those that a transaction may still change are decided.

        Raises ReadingStopped, BrokerUnreachable.
        """
        wanted = [TopicPartition(self.topic, partition) for partition in partitions]
        while wanted:
            try:
                answers = self.client.committed(wanted, timeout=_COMMITTED_TIMEOUT_S)
            except KafkaException as error:
                if self._should_stop():
                    raise ReadingStopped from None
                _log.info("waiting for the committed offsets", topic=self.topic, reason=error.args[0].str())
            else:
                failed = [each.error for each in answers if each.error is not None]
                if failed:
                    raise BrokerUnreachable(self._settings.bootstrap_servers, failed[0].str())
                return [Committed(each.partition, each.offset, each.metadata) for each in answers]
        return []

    def rewind(self, starts: Mapping[int, int]) -> None:
        """Read owned partitions on from `starts`, whatever was fetched of them before."""
        places = [TopicPartition(self.topic, partition, offset) for partition, offset in starts.items()]
        if places:
            self.client.incremental_unassign(places)
            self.client.incremental_assign(places)

    def behind(self, partition: int, next_offset: int) -> int | None:
        """How many records are still to come, as of the last fetch; None before the first."""
        _, high = self.client.get_watermark_offsets(TopicPartition(self.topic, partition), cached=True)
        return max(0, high - next_offset) if high >= 0 else None

    def close(self) -> None:
        """Leave the group (a static member stays in it until its session ends)."""
        self.client.close()

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        def take_over() -> None:
            starts = self._assigned([each.partition for each in partitions])
            client.incremental_assign(
                [TopicPartition(self.topic, partition, offset) for partition, offset in starts.items()]
            )

        self._keeping(take_over)

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._keeping(lambda: self._revoked([each.partition for each in partitions]))
        client.incremental_unassign(partitions)

    def _on_lost(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._keeping(lambda: self._lost([each.partition for each in partitions]))
        client.incremental_unassign(partitions)

    def _keeping(self, call: Callable[[], None]) -> None:
        """Calls, and keeps what is raised for `poll` to raise: the client's own code must not be unwound by it."""
        try:
            call()
        except BaseException as raised:  # noqa: BLE001 - nothing is swallowed, only put off
            self._raised = raised


def _runs(messages: list[Message]) -> Iterable[Run | End]:
    count = len(messages)
    timestamps = np.fromiter(map(itemgetter(1), map(Message.timestamp, messages)), np.int64, count)
    if timestamps.min() < 0:  # records have a timestamp, errors do not
        good = []
        for message in messages:
            if message.error() is None:
                good.append(message)
            elif (reached := _end(message)) is not None:
                yield from _runs(good) if good else ()
                good = []
                yield reached
        if not good:
            return
        messages, count = good, len(good)
        timestamps = np.fromiter(map(itemgetter(1), map(Message.timestamp, messages)), np.int64, count)
    partitions = np.fromiter(cast("map[int]", map(Message.partition, messages)), np.int32, count)
    offsets = np.fromiter(cast("map[int]", map(Message.offset, messages)), np.int64, count)
    values = cast("list[bytes | None]", list(map(Message.value, messages)))
    cuts = [0, *(np.flatnonzero(np.diff(partitions)) + 1).tolist(), count]
    for first, after in pairwise(cuts):
        yield Run(
            int(partitions[first]),
            messages[first:after],
            values[first:after],
            offsets[first:after],
            timestamps[first:after],
        )


def _end(message: Message) -> End | None:
    error = cast("KafkaError", message.error())
    if error.code() == KafkaError._PARTITION_EOF:
        return End(*place(message))
    if error.code() == KafkaError._MAX_POLL_EXCEEDED:
        return None  # the callback for lost partitions follows
    if error.code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED, KafkaError._FATAL) or error.fatal():
        raise _fenced(error)
    raise_unless_end(message)
    return None


def _fenced(error: KafkaError) -> Fenced:
    return Fenced(
        f"another process took this group member's place (each slot may run once, option --slot): {error.str()}"
    )
