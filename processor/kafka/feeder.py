"""Putting records into a topic in transactions, each of them in exactly once, or not at all and said so.

The difficult moment is a commit without an answer: the broker died, or the answer was lost, and the records may be there or
not. Sending them again could double them; the detector would count both. It is settled in two steps:

1. A new producer takes over the same `transactional.id`. `init_transactions` returns only when the coordinator has ended what
   the old one left: it completes a commit that had been decided and aborts anything else (KIP-98; the new epoch fences
   the old producer). From then on the outcome is fixed.
2. The last record of the transaction is read back. Its delivery report said in which partition and at which offset it
   stands, and no commit is ever asked for before that report is there: with no report, there was no commit. A reader with
   `read_committed` that starts at this offset gets the record if the transaction was committed, and the next visible one, or
   the end, if it was aborted. That is trusted only when the partition's last stable offset is past the record: before that the reader
   sees nothing either way. A checksum guards against another record at the same place, as after an unclean election.

So no header or marker has to be written with the records, and the rest of the topic need not be read. When no broker
comes back in time, what is needed for both steps fits a line (`Unclear`), with which a later process can settle it.
"""

import time
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from processor.kafka.clients import ClientSettings, admin, consumer, transactional_producer
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.reading import ReadingFailed, UnknownTopic, high_watermarks, last_stable_offsets, partitions_of
from processor.kafka.rights import lacks, unwritable

_ATTEMPT_S = 15.0
"""Longest wait for one answer, over the transaction timeout, so that the broker has given up before we do."""
_SLICE_S = 1.0
"""The client is asked to wait so long at a time, so that we can see in between whether to go on."""
_GRACE_S = 5.0
"""What is left of all patience once `should_stop` holds: time for a live broker to finish the transaction."""
_PAUSE_S = 0.2

_PERMANENT = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.POLICY_VIOLATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError.INVALID_TRANSACTION_TIMEOUT,
    KafkaError.UNSUPPORTED_VERSION,
})  # fmt: skip
"""What trying again does not cure."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A transaction whose outcome is not known, and how to find out: by whom, and where its last record stands."""

    transactional_id: str
    partition: int
    offset: int
    checksum: int

    def __str__(self) -> str:
        return f"{self.transactional_id}/{self.partition}/{self.offset}/{self.checksum:08x}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `str`. Raises ValueError."""
        transactional_id, partition, offset, checksum = text.split("/")
        return cls(transactional_id, int(partition), int(offset), int(checksum, 16))


class BrokerLost(Exception):
    """The records of the last `send` are not in, or, with `unclear`, may be; all before them are."""

    def __init__(self, reason: str, unclear: Unclear | None = None) -> None:
        super().__init__(reason)
        self.unclear = unclear


class FeedRefused(Exception):
    """The broker does not take these records, and would not if they came again. None of the last `send` is in."""


class Feeder:
    """A transactional producer for one topic that outlives its clients. Not safe between threads.

    `should_stop` ends the patience with a broker that is gone; what goes well is finished all the same.
    Raises FeedRefused when the topic is missing, BrokerUnreachable when no broker answers within `patience_s`.
    """

    def __init__(
        self,
        settings: ClientSettings,
        topic: str,
        *,
        transactional_id: str | None = None,
        patience_s: float = 60.0,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.topic = topic
        self.transactional_id = transactional_id or f"senderwatch-feeder-{uuid.uuid4()}"
        self._settings = settings
        self._patience_s = patience_s
        self._should_stop = should_stop
        self._hurry_until_s: float | None = None
        try:
            partitions_of(settings, topic)
            self._producer = self._new_producer(time.monotonic() + patience_s)
        except UnknownTopic as error:
            raise FeedRefused(str(error)) from None
        except BrokerLost as error:
            raise BrokerUnreachable(settings.bootstrap_servers, str(error)) from None

    def send(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """All records in one transaction; returns when they are committed, and tries for `patience_s`.

        Raises BrokerLost or FeedRefused, after which the feeder is of no more use.
        """
        if not values:
            return
        deadline = time.monotonic() + self._patience_s
        while True:
            unclear = None
            try:
                unclear = self._written(keys, values)
                self._in_slices(self._producer.commit_transaction, _ATTEMPT_S)
            except KafkaException as error:
                problem: KafkaError = error.args[0]
            else:
                return
            self._replace_producer(deadline, unclear)
            if unclear is not None and self._is_committed(unclear, deadline):
                return
            if self._may_not_write(problem):
                raise FeedRefused(lacks("Write", f"topic {self.topic}"))
            if problem.code() in _PERMANENT:
                raise FeedRefused(f"{problem.str()} (topic {self.topic})")
            if self._is_over(deadline):
                raise BrokerLost(problem.str())

    def settle(self, unclear: Unclear) -> bool:
        """Whether an earlier feeder's unclear transaction was committed. This feeder must bear its `transactional_id`."""
        if unclear.transactional_id != self.transactional_id:
            raise ValueError("only a feeder of the same transactional.id can settle this")
        return self._is_committed(unclear, time.monotonic() + self._patience_s)

    def close(self) -> None:
        """Let go of the connections."""
        self._producer.purge()
        self._producer.flush(0)

    def _written(self, keys: Sequence[bytes], values: Sequence[bytes]) -> Unclear:
        """Everything up to the commit: records delivered, and the last one's place known."""
        reported: list[Message] = []
        self._producer.begin_transaction()
        produce, topic = self._producer.produce, self.topic
        callback = None
        last = len(values) - 1
        for at, (key, value) in enumerate(zip(keys, values, strict=True)):
            if at == last:
                callback = lambda _, message: reported.append(message)  # noqa: E731
            try:
                produce(topic, value, key, on_delivery=callback)
            except BufferError:  # the queue is full
                self._wait_until_delivered()
                produce(topic, value, key, on_delivery=callback)
        self._wait_until_delivered()
        if not reported:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN, "the client did not report on a record"))
        problem = reported[0].error()
        if problem is not None:
            raise KafkaException(problem)
        partition, offset = reported[0].partition(), reported[0].offset()
        if partition is None or offset is None:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN, "the broker did not say where the records stand"))
        return Unclear(self.transactional_id, partition, offset, zlib.crc32(values[last]))

    def _wait_until_delivered(self) -> None:
        deadline = time.monotonic() + _ATTEMPT_S
        while self._producer.flush(_SLICE_S) > 0:
            if self._is_over(deadline):
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the broker did not take the records in time"))

    def _replace_producer(self, deadline: float, unclear: Unclear | None) -> None:
        self._producer.purge()
        self._producer.flush(0)
        self._producer = self._new_producer(deadline, unclear)

    def _new_producer(self, deadline: float, unclear: Unclear | None = None) -> Producer:
        """A producer in whose name no older transaction is open; raises BrokerLost after the deadline."""
        while True:
            producer = transactional_producer(self._settings, transactional_id=self.transactional_id)
            try:
                self._in_slices(producer.init_transactions, deadline - time.monotonic())
            except KafkaException as error:
                problem: KafkaError = error.args[0]
                if problem.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                    raise FeedRefused(lacks("Write", f"transactional id {self.transactional_id}")) from None
                if problem.code() in _PERMANENT:
                    raise FeedRefused(f"{problem.str()} (transactional.id {self.transactional_id})") from None
                if self._is_over(deadline):
                    raise BrokerLost(problem.str(), unclear) from None
                time.sleep(_PAUSE_S)
            else:
                return producer

    def _may_not_write(self, problem: KafkaError) -> bool:
        if problem.code() == KafkaError._PURGE_QUEUE:  # of a record that it threw away the client does not say why
            return bool(unwritable(admin(self._settings), [self.topic]))
        return bool(problem.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED)

    def _is_committed(self, unclear: Unclear, deadline: float) -> bool:
        """Step 2 of the module's text; raises BrokerLost after the deadline, FeedRefused when retention took the record."""
        reason = "the transaction's outcome is not readable yet"
        place, ask = unclear.partition, (self._settings, self.topic, (unclear.partition,))
        while True:
            try:
                if last_stable_offsets(*ask)[place] > unclear.offset:
                    return self._is_visible(unclear)
                if high_watermarks(*ask)[place] <= unclear.offset:
                    return False  # the cluster lost it, against its promise
            except BrokerUnreachable as error:
                reason = str(error)
            except ReadingFailed as error:
                raise FeedRefused(str(error)) from None
            except KafkaException as error:
                reason = error.args[0].str()
            if self._is_over(deadline):
                raise BrokerLost(reason, unclear)
            time.sleep(_PAUSE_S)

    def _is_visible(self, unclear: Unclear) -> bool:
        reader: Consumer = consumer(self._settings, group=None, partition_eof=True)
        try:
            reader.assign([TopicPartition(self.topic, unclear.partition, unclear.offset)])
            message = reader.poll(_ATTEMPT_S)
        finally:
            reader.close()
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the record was not read back in time"))
        problem = message.error()
        if problem is None:
            return message.offset() == unclear.offset and zlib.crc32(message.value() or b"") == unclear.checksum
        if problem.code() == KafkaError._PARTITION_EOF:
            return False
        if problem.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            # A feeder needs to read for this alone, so it may well lack the right; somebody who has it can settle the doubt.
            reason = f"to know what became of the last records, {lacks('Read', f'topic {self.topic}')}"
            raise BrokerLost(reason, unclear)
        if problem.code() == KafkaError._AUTO_OFFSET_RESET:
            raise FeedRefused(
                f"retention has removed offset {unclear.offset} of {self.topic}, partition {unclear.partition}: whether the "
                "transaction was committed can no longer be known"
            )
        raise KafkaException(problem)

    def _in_slices(self, call: Callable[[float], None], limit_s: float) -> None:
        """A transaction call that may be called again after a timeout, as the client promises of it, and then goes on."""
        deadline = time.monotonic() + limit_s
        while True:
            try:
                return call(_SLICE_S)
            except KafkaException as error:
                if error.args[0].code() != KafkaError._TIMED_OUT:
                    raise
            if self._is_over(deadline):
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the transaction coordinator did not answer"))

    def _is_over(self, deadline: float) -> bool:
        now_s = time.monotonic()
        if self._hurry_until_s is None and self._should_stop():
            self._hurry_until_s = now_s + _GRACE_S
        return now_s > (deadline if self._hurry_until_s is None else min(deadline, self._hurry_until_s))
