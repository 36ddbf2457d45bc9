"""Runs of verdicts straight out of librdkafka: no Python object a record, but for those that are refused.

A record's object costs more than to decode the record and to decide on it. So the partitions' queues are led to a queue of our
own, from which the library gives messages by the thousand, and kernels put them into columns. The consumer's own queue keeps all
else: the group's callbacks run where they always ran, in its `poll`.
"""

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import cast, overload

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, Message

from processor.kafka.gathering import MESSAGE, gather, let_go, look, take
from processor.kafka.group import end_of
from processor.kafka.librdkafka import address_of, functions, headers_of, log_errors
from processor.kafka.runs import MORE_WAIT_S, Call, End, MessageByMessage, Run, RunSource, runs_of
from processor.verdicts.payloads import Payloads

_log = structlog.get_logger(__name__)

_CALL_WAIT_S = 0.001
"""The shortest that counts as waiting for the library: a member that runs callbacks within is not taken for one that stands still."""
_UNOWNED_WAIT_S = 0.01
"""Partitions come by the consumer's own queue, which is not the one that is waited at: who has none yet looks there often."""


def run_source(client: Consumer, topic: str, call: Call, *, in_batches: bool) -> RunSource:
    """The faster way to read one topic by this client; message by message where it is not to be had, or not wanted."""
    address = address_of(client) if in_batches else None
    if address is not None:
        return InBatches(client, address, topic, call)
    if in_batches and type(client) is Consumer:
        _log.info(
            "records are read one by one, at twice the cost: senderwatch does not know this version of confluent-kafka"
        )
    return MessageByMessage(client, call)


class InBatches:
    """Reads one topic. Not for use by several threads."""

    def __init__(self, client: Consumer, address: int, topic: str, call: Call) -> None:
        self._client = client  # it must not be gone before the queue is
        self._address = address
        self._topic = topic
        self._call = call
        self._library = functions()
        log_errors(address)
        self._queue: int | None = self._library.rd_kafka_queue_new(address)
        self._calls: int | None = self._library.rd_kafka_queue_get_consumer(address)
        """The consumer's own queue."""
        self._led: dict[int, int] = {}
        """The own queues of the partitions that are expected."""
        self._kind = ctypes.c_int()
        self._make_room(0)
        self._held = np.zeros(1, np.int64)
        self.batch = 0
        """Counts the batches: only the newest one's messages are there."""

    def _make_room(self, rows: int) -> None:
        self._messages = np.zeros(rows, MESSAGE)
        self._addresses = np.zeros(rows, np.int64)  # last: how many there is room for

    def expect(self, partitions: Iterable[int]) -> None:
        """Lead their records here. Before they are assigned: what is fetched sooner would go to the consumer's queue."""
        for partition in partitions:
            if partition not in self._led:
                topic = self._topic.encode()
                self._led[partition] = self._library.rd_kafka_queue_get_partition(self._address, topic, partition)
        self._lead()

    def forget(self, partitions: Iterable[int]) -> None:
        """Lead nothing more of them here. After they are not assigned any more: all that comes then is out of date.

        The library lets go of such a partition when it hears that its topic is not there, be it for a moment. It empties the
        partition's queue then, and the one that this leads to: what was fetched of all others would be gone, and never asked for again.
        """
        for partition in partitions:
            queue = self._led.pop(partition, None)
            if queue is not None:
                self._library.rd_kafka_queue_forward(queue, None)
                self._library.rd_kafka_queue_destroy(queue)

    def _lead(self) -> None:
        """The library forgets it when it has stopped fetching a partition, some time after that was asked for."""
        for queue in self._led.values():
            self._library.rd_kafka_queue_forward(queue, self._queue)

    def take(self, at_most: int, wait_s: float) -> list[Run | End]:
        """As RunSource says. Partitions come and go in the first of its calls alone, before anything is taken."""
        self._let_go()
        served = self._served()
        found = [] if served is None else list(runs_of([served]))  # an error of the whole client
        if at_most > len(self._addresses):
            self._make_room(at_most)
        self._lead()
        if not self._led:
            wait_s = min(wait_s, _UNOWNED_WAIT_S)
        count = self._taken(at_most, MORE_WAIT_S) or (0 if found else self._taken(at_most=1, wait_s=wait_s))
        return [*found, *self._runs(count)]

    def _served(self) -> Message | None:
        """Runs the group's callbacks. To restore partitions in one may take longer than `max.poll.interval.ms`."""
        if not self._library.rd_kafka_queue_length(self._calls):
            return None
        return cast("Message | None", self._call(lambda: self._client.poll(_CALL_WAIT_S)))

    def _taken(self, at_most: int, wait_s: float) -> int:
        take(cast("int", self._queue), round(1000 * wait_s), self._addresses, at_most, self._held)
        return int(self._held[0])

    def _runs(self, count: int) -> Iterator[Run | End]:
        messages, timestamps_ms = self._messages[:count], np.empty(count, np.int64)
        look(self._addresses, count, messages.ctypes.data, timestamps_ms, ctypes.addressof(self._kind))
        partitions, errors = messages["partition"], messages["error"]
        is_cut = (partitions[1:] != partitions[:-1]) | (errors[1:] != 0) | (errors[:-1] != 0)
        for first, after in pairwise([0, *(np.flatnonzero(is_cut) + 1).tolist(), count]) if count else ():
            partition = int(partitions[first])
            if not errors[first]:
                given = _Given(self, self.batch, first, after)
                offsets = messages["offset"][first:after].copy()
                yield Run(partition, given, self._values(first, after), offsets, timestamps_ms[first:after])
            elif end_of(self.message(first)):
                yield End(partition, int(messages["offset"][first]))

    def _values(self, first: int, after: int) -> Payloads:
        messages = self._messages[first:after]
        buffer = np.empty(int(messages["value_size"].sum()), np.uint8)
        starts = np.empty(after - first + 1, np.int64)
        gather(messages, buffer.ctypes.data, starts)
        nulls = messages["value"] == 0
        return Payloads(buffer, starts, nulls if nulls.any() else None)

    def message(self, row: int) -> Message:
        """One of the newest batch, as the client would have given it."""
        found, address = self._messages[row], int(self._addresses[row])
        value = _bytes(found["value"], found["value_size"])
        code = int(found["error"])
        error = None if not code else KafkaError(code, (value or b"").decode(errors="replace"))
        timestamp_ms = self._library.rd_kafka_message_timestamp(address, ctypes.addressof(self._kind))
        return Message(
            topic=self._topic,
            partition=int(found["partition"]),
            offset=int(found["offset"]),
            key=_bytes(found["key"], found["key_size"]),
            value=value,
            headers=headers_of(address),
            error=error,
            timestamp=(self._kind.value, timestamp_ms),
        )

    def _let_go(self) -> None:
        self.batch += 1
        let_go(self._addresses, self._held)

    def close(self) -> None:
        """Give back all that is held: the library waits for it when its client ends, for ever."""
        self._let_go()
        while self._led:
            self._library.rd_kafka_queue_destroy(self._led.popitem()[1])
        queues, self._queue, self._calls = (self._queue, self._calls), None, None
        for queue in queues:
            if queue is not None:
                self._library.rd_kafka_queue_destroy(queue)

    def __del__(self) -> None:
        """Of whoever could not close it."""
        self.close()


class _Given(Sequence[Message]):
    """Some messages of a batch, made into objects when they are asked for. Raises LookupError once the batch is gone."""

    def __init__(self, source: InBatches, batch: int, first: int, after: int) -> None:
        self._source = source
        self._batch = batch
        self._rows = range(first, after)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> "_Given": ...

    def __getitem__(self, index: int | slice) -> "Message | _Given":
        if isinstance(index, slice):
            rows = self._rows[index]
            return _Given(self._source, self._batch, rows.start, rows.stop)
        if self._batch != self._source.batch:
            raise LookupError("a message of an earlier batch, which was given back")
        return self._source.message(self._rows[index])


def _bytes(address: int, size: int) -> bytes | None:
    return None if not address else ctypes.string_at(int(address), int(size))
