"""One transaction: records and consumed offsets together, or nothing (design, section 3).

librdkafka speaks the transaction protocol before KIP-890's second part. So after any failure the producer is thrown away: the
next one's `init_transactions` ends what the last one left open and fences it, and the caller goes back to what is committed.
"""

import contextlib
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from processor.kafka.clients import ClientSettings, admin, transactional_producer
from processor.kafka.rights import lacks, unwritable

_log = structlog.get_logger(__name__)

_CALL_TIMEOUT_S = 15.0
_GIVEN_UP_S = 10.0
"""For a call that does not keep to it: the transaction lasts no longer."""
HOPELESS = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.INVALID_TRANSACTION_TIMEOUT,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._UNSUPPORTED_FEATURE,
    }
)
"""Trying again cannot help: somebody has to change something."""
FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.FENCED_INSTANCE_ID})


_LACKING = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
"""Of a record that the client threw away, for a reason that it does not give with the record."""


Offset = TopicPartition
"""An offset to commit, perhaps with metadata."""


class TransactionFailed(Exception):
    """Nothing may be assumed of the transaction. Go back to the committed offsets and what belongs to them, and go on."""


class Fenced(Exception):
    """Another process runs under the same slot and is the newer one; this one has to end."""


class TransactionImpossible(Exception):
    """The transaction cannot succeed before somebody changes something; the text says what."""


@dataclass(frozen=True, slots=True)
class OutRecord:
    """A record to be produced; `partition` None is for the partitioner to choose by key."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: Sequence[tuple[str, bytes | None]] = field(default_factory=list)
    delivered: Callable[[int], None] | None = None
    """Called with the record's offset before `run` returns, where somebody needs to know it."""


class Member(Protocol):
    """Of a group, as processor.kafka.group.GroupMember is. Where it is not as committed, nothing is committed."""

    client: Consumer

    def is_as_committed(self, partitions: Iterable[int], identity: object) -> bool: ...
    def has_committed(self, offsets: Iterable[Offset]) -> None: ...


class Transactions:
    """Runs transactions one after the other for one member of a group. Not for use by several threads."""

    def __init__(self, settings: ClientSettings, member: Member, *, slot: str | None, group: str) -> None:
        """`slot` gives a `transactional.id` that fences this process's dead predecessor; without one it is random."""
        self._settings = settings
        self._member = member
        self._slot = slot
        self._group = group
        self._id = f"{group}-{slot if slot is not None else uuid.uuid4()}"
        self._producer: Producer | None = None

    def start(self) -> None:
        """Make the producer ready, and so end what a predecessor left open. Raises as `run` does."""
        self._started()

    def _started(self) -> Producer:
        if self._producer is not None:
            return self._producer
        producer = transactional_producer(self._settings, transactional_id=self._id)
        try:
            producer.init_transactions(_CALL_TIMEOUT_S)
        except KafkaException as error:
            raise self._judged(error.args[0]) from None
        self._producer = producer
        return producer

    def run(self, records: Sequence[OutRecord], offsets: Sequence[Offset]) -> None:
        """Produce `records` and commit `offsets` (next to consume, metadata with them) as one.

        Raises TransactionFailed when that did not succeed or nobody knows, Fenced, TransactionImpossible.
        """
        producer = self._started()
        failures: list[KafkaError] = []
        try:
            producer.begin_transaction()
            for record in records:
                self._produce(producer, record, failures)
            if producer.flush(_CALL_TIMEOUT_S):
                raise KafkaException(failures[0] if failures else KafkaError(KafkaError._TIMED_OUT, "flush"))
            # Fetched anew each time: the broker refuses a zombie of an older generation by it. One that has joined again it cannot
            # tell from a member that is where the group is: that is asked for after this, so that no joining falls between.
            identity = self._member.client.consumer_group_metadata()
            send = partial(producer.send_offsets_to_transaction, list(offsets), identity, _CALL_TIMEOUT_S)
            if failures:
                raise KafkaException(_behind(failures[0], send))
            if not self._member.is_as_committed({each.partition for each in offsets}, identity):
                raise KafkaException(KafkaError(KafkaError.UNKNOWN_MEMBER_ID, "the group went on without this member"))
            _in_time(send)
            producer.commit_transaction(_CALL_TIMEOUT_S)
            self._member.has_committed(offsets)
        except (KafkaException, BufferError, SystemError) as error:
            self.discard()
            raise self._judged(reason_of(error), {record.topic for record in records}) from None

    def _produce(self, producer: Producer, record: OutRecord, failures: list[KafkaError]) -> None:
        place: dict[str, Any] = {} if record.partition is None else {"partition": record.partition}
        report = partial(_reported, record.delivered, failures)
        while True:
            try:
                producer.produce(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    on_delivery=report,
                    **place,
                )
            except BufferError:  # the queue is full: wait for some of it to be delivered
                if producer.flush(_CALL_TIMEOUT_S) or failures:
                    raise
            else:
                return

    def discard(self) -> None:
        """Throw the producer away, whatever its state; the next transaction makes a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaException):
                producer.purge(in_queue=True, in_flight=True)

    def _judged(self, error: KafkaError, topics: Collection[str] = ()) -> Exception:
        code = error.code()
        if code in _LACKING:
            return TransactionImpossible(f"Kafka refuses the transaction: {self._lacking(code, topics)}")
        if self._slot is not None and code in FENCED:
            _log.warning("fenced", code=error.name(), reason=error.str())
            return Fenced(
                f"another process runs as slot {self._slot!r}, and this one gives way: each slot may run once (option --slot). If there "
                "is no other one, this one stood still for longer than a transaction may last: start it again"
            )
        if code in HOPELESS:
            return TransactionImpossible(f"Kafka refuses the transaction: {error.name()}: {error.str()}")
        _log.warning("a transaction did not go through", code=error.name(), reason=error.str())
        return TransactionFailed(f"{error.name()}: {error.str()}")

    def _lacking(self, code: int, topics: Collection[str]) -> str:
        if code == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
            return lacks("Write", f"transactional id {self._id}")
        if code == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return lacks("Read", f"group {self._group}")
        found = unwritable(admin(self._settings), topics) or sorted(topics)
        return lacks("Write", f"topic {', '.join(found)}")


def _behind(failure: KafkaError, next_step: Callable[[], None]) -> KafkaError:
    """The failure of a record, or the right that is missing behind it.

    Of a record that it threw away the client gives no reason; but it refuses the transaction's next step, and does with that.
    """
    if failure.code() in PURGED:
        try:
            _in_time(next_step)
        except KafkaException as error:
            if error.args[0].code() in _LACKING:
                return cast("KafkaError", error.args[0])
    return failure


def _in_time(call: Callable[[], None]) -> None:
    """Calls the client, and gives up on a call that outlives its own timeout: its thread stays behind with its producer.

    Where the group's coordinator was taken off the list of brokers (they were all away, or it was for a while, as in a rolling
    restart), sending offsets waits for it for minutes, or for ever: https://github.com/confluentinc/librdkafka/issues/5511
    """
    outcome: Future[None] = Future()

    def work() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=work, name="offsets", daemon=True).start()
    try:
        outcome.result(_GIVEN_UP_S)
    except TimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the client does not answer")) from None


def reason_of(error: Exception) -> KafkaError:
    """What the client says of a failed call of a transaction. Raises `error` again where that is not the client's."""
    # A fatal error is raised by the client in the middle of other callbacks, whose SystemError then hides it.
    known = error if isinstance(error, KafkaException) else error.__cause__
    if isinstance(known, KafkaException):
        return cast("KafkaError", known.args[0])
    if isinstance(error, BufferError):
        return KafkaError(KafkaError._QUEUE_FULL)
    raise error


def _reported(
    delivered: Callable[[int], None] | None, failures: list[KafkaError], error: KafkaError | None, message: Message
) -> None:
    if error is not None:
        failures.append(error)
    elif delivered is not None:
        delivered(cast("int", message.offset()))
