"""Reading partitions to an end that is pinned before the first record is read.

After a coordinator has decided a transaction, its markers reach the partitions at different times. So whoever restores
or audits reads the committed offsets first, then pins the high watermark of each partition, then reads with
read_committed until the mark is reached (design, section 3). Reached means a record or an end of the partition at or
past the mark: after the last record, control records may trail, and last + 1 never gets there. A transaction that is
still open below the mark holds the end back, and the reader waits for its outcome.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import cast

import structlog
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from processor.clock import Clock
from processor.kafka.answers import answered
from processor.kafka.clients import READER_GROUP, ClientSettings, admin, consumer
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.rights import is_hidden, lacks

_log = structlog.get_logger(__name__)

Partition = tuple[str, int]
"""A topic's partition."""

_BATCH = 10_000
_BATCH_WAIT_S = 0.02
"""`consume` waits for a whole batch or this long; what is there before comes late by it, and only at the end."""
_END_WAIT_MS = 20
"""That a partition ends is told by a fetch that found nothing. The broker holds it back for so long: half a second by default."""
_ASK_TIMEOUT_S = 30.0
_NO_RECORD = -1
"""The answer for a time after which there is none."""
_ASK_AGAIN_S = 0.1
_SAY_AFTER_S = 10.0
"""The longest that an abandoned transaction usually holds readers back; whoever waits longer says for what."""

_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call] # the library's own gap
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_NO_LEADER = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError._NOENT,  # "No leaders found": of none of the partitions that were asked for
)
"""Brokers that do not agree yet on who leads a partition, or the client has not heard it: for long, where one cannot be reached."""
_AWAY = (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE)


class ReadingFailed(Exception):
    """These records cannot be read, now or later. The text says why and what to do."""


class UnknownTopic(ReadingFailed):
    """The topic, or a partition of it, does not exist."""

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"there is no topic {topic}, or not the partition that is wanted of it, or no right to see it: "
            "`senderwatch topics create` makes topics, setting topics.prefix is what their names begin with"
        )


class TopicHidden(UnknownTopic):
    """The login has no right on the topic, not even to know whether it exists."""

    def __init__(self, topic: str) -> None:
        ReadingFailed.__init__(self, f"{lacks('Describe', f'topic {topic}')}; it comes with Read and with Write")


class RecordsGone(ReadingFailed):
    """Retention has removed the record at which reading should start, or a later one before it was read."""

    def __init__(self, topic: str, partition: int, reason: str) -> None:
        super().__init__(f"records of {topic}, partition {partition}, are gone (retention): {reason}")
        self.topic = topic
        self.partition = partition


class ReadingStopped(Exception):
    """The caller's `should_stop` ended the reading before the end was reached."""


def partitions_of(settings: ClientSettings, topic: str) -> list[int]:
    """The topic's partitions, in order. Raises BrokerUnreachable, UnknownTopic."""
    return partitions_of_each(settings, [topic])[topic]


def partitions_of_each(settings: ClientSettings, wanted: Iterable[str]) -> dict[str, list[int]]:
    """The partitions of some topics, by topic, in order; one question for all. Raises BrokerUnreachable, UnknownTopic."""
    try:
        client = admin(settings)
        # All topics are asked for: asking for one by name would make it where the brokers are set so.
        topics = client.list_topics(timeout=_ASK_TIMEOUT_S).topics
    except KafkaException as error:
        raise BrokerUnreachable(settings.bootstrap_servers, error.args[0].str()) from None
    partitions = {}
    for topic in wanted:
        if topic not in topics:
            raise TopicHidden(topic) if is_hidden(client, topic) else UnknownTopic(topic)
        partitions[topic] = sorted(topics[topic].partitions)
    return partitions


def first_offsets(
    settings: ClientSettings, topic: str, partitions: Iterable[int], *, timeout_s: float = _ASK_TIMEOUT_S
) -> dict[int, int]:
    """The offset of the first record that retention has left in each partition. Raises as `high_watermarks`."""
    return _asked(settings, topic, partitions, _EARLIEST, IsolationLevel.READ_UNCOMMITTED, timeout_s)


def high_watermarks(
    settings: ClientSettings, topic: str, partitions: Iterable[int], *, timeout_s: float = _ASK_TIMEOUT_S
) -> dict[int, int]:
    """The ends of the partitions, transactions that are still open included.

    Raises BrokerUnreachable, UnknownTopic, ReadingFailed.
    """
    return _asked(settings, topic, partitions, _LATEST, IsolationLevel.READ_UNCOMMITTED, timeout_s)


def last_stable_offsets(
    settings: ClientSettings, topic: str, partitions: Iterable[int], *, timeout_s: float = _ASK_TIMEOUT_S
) -> dict[int, int]:
    """The ends for a reader with read_committed: the first open transaction's first record. Raises as above."""
    return _asked(settings, topic, partitions, _LATEST, IsolationLevel.READ_COMMITTED, timeout_s)


def offsets_at(
    settings: ClientSettings, topic: str, partitions: Iterable[int], time_ms: int, *, timeout_s: float = _ASK_TIMEOUT_S
) -> dict[int, int]:
    """The first offset in each partition that Kafka stamped at or after this time; -1: there is none. Raises as above."""
    what = OffsetSpec.for_timestamp(time_ms)
    return _asked(settings, topic, partitions, what, IsolationLevel.READ_UNCOMMITTED, timeout_s)


def bounds(settings: ClientSettings, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
    """First offset and high watermark of partitions of any topics, asked for by one client. Raises as `high_watermarks`."""
    wanted, client = list(partitions), admin(settings)
    firsts = _answers(settings, client, wanted, _EARLIEST, IsolationLevel.READ_UNCOMMITTED, _ASK_TIMEOUT_S)
    ends = _answers(settings, client, wanted, _LATEST, IsolationLevel.READ_UNCOMMITTED, _ASK_TIMEOUT_S)
    return {partition: (firsts[partition], ends[partition]) for partition in wanted}


def _asked(
    settings: ClientSettings,
    topic: str,
    partitions: Iterable[int],
    what: OffsetSpec,
    isolation: IsolationLevel,
    timeout_s: float,
) -> dict[int, int]:
    wanted = [(topic, partition) for partition in partitions]
    answers = _answers(settings, admin(settings), wanted, what, isolation, timeout_s)
    return {partition: offset for (_, partition), offset in answers.items()}


def _answers(
    settings: ClientSettings,
    client: AdminClient,
    partitions: Iterable[Partition],
    what: OffsetSpec,
    isolation: IsolationLevel,
    timeout_s: float,
) -> dict[Partition, int]:
    """The caller keeps the client until the answers are there: they never come from one that is gone."""
    places = {TopicPartition(*partition): what for partition in partitions}
    if not places:
        return {}
    clock = settings.clock
    deadline = clock.monotonic() + timeout_s
    while True:
        answers = answered(
            lambda left_s: client.list_offsets(places, isolation_level=isolation, request_timeout=left_s),
            deadline,
            clock,
        )
        try:
            found = {(place.topic, place.partition): answer.result().offset for place, answer in answers.items()}
            if min(found.values()) >= _NO_RECORD:
                return found
            # After a broker had stood still: an answer that is none, without an error.
            raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE, "an answer without an offset"))
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            if error.code() in _AWAY:
                raise BrokerUnreachable(settings.bootstrap_servers, error.str()) from None
            # For a partition that is not there and for one without a leader the client has the same words.
            topics = partitions_of_each(settings, dict.fromkeys(place.topic for place in places))
            for place in places:
                if place.partition not in topics[place.topic]:
                    raise UnknownTopic(place.topic) from None
            if clock.monotonic() > deadline:
                if error.code() in _NO_LEADER:
                    raise BrokerUnreachable(settings.bootstrap_servers, error.str()) from None
                asked = ", ".join(topics)
                raise ReadingFailed(f"cannot ask for the offsets of {asked}: {error.str()}") from None
            clock.sleep(_ASK_AGAIN_S)  # no leader now: a broker restarts, or the topic is a moment old


def read_to_end(
    settings: ClientSettings,
    topic: str,
    partitions: Iterable[int],
    start_offsets: Mapping[int, int],
    *,
    ends: Mapping[int, int] | None = None,
    read_committed: bool = True,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Message]:
    """The records of some partitions from where each starts up to its end; in order within a partition.

    The ends are pinned by the call itself, before any record is asked for.

    Args:
        settings: of the clients.
        topic: one topic.
        partitions: of that topic.
        start_offsets: by partition; one that is not named starts at its first record.
        ends: exclusive, by partition, when they are pinned already; else the high watermarks of now.
        read_committed: leave out what was aborted, and wait for what is undecided.
        should_stop: asked some times a second, also while nothing comes; True ends the reading with ReadingStopped.

    Raises:
        BrokerUnreachable, UnknownTopic, ReadingFailed: by the call, when the ends cannot be asked for.
        RecordsGone, ReadingFailed, ReadingStopped: while it is read. A broker that is away for a while is waited for.
    """
    partitions = list(partitions)
    pinned = dict(ends) if ends is not None else high_watermarks(settings, topic, partitions)
    starts = first_offsets(settings, topic, [each for each in partitions if each not in start_offsets])
    starts |= {partition: start_offsets[partition] for partition in partitions if partition in start_offsets}
    return _read(settings, topic, starts, pinned, read_committed=read_committed, should_stop=should_stop)


def _read(
    settings: ClientSettings,
    topic: str,
    starts: Mapping[int, int],
    ends: Mapping[int, int],
    *,
    read_committed: bool,
    should_stop: Callable[[], bool],
) -> Iterator[Message]:
    unread = {partition: end for partition, end in ends.items() if starts[partition] < end}
    if not unread:
        return
    patience = Patience(settings.clock)
    reader = consumer(
        settings,
        group=None,
        read_committed=read_committed,
        partition_eof=True,
        extra={"fetch.wait.max.ms": _END_WAIT_MS},
    )
    try:
        reader.assign([TopicPartition(topic, partition, starts[partition]) for partition in unread])
        while unread:
            if should_stop():
                raise ReadingStopped
            for message in reader.consume(_BATCH, _BATCH_WAIT_S):
                partition, offset = place(message)
                end = unread.get(partition)
                if end is None:
                    continue  # fetched before the pause below took hold
                if message.error() is None:
                    patience.renew()
                    if offset < end:
                        yield message
                    offset += 1
                else:
                    raise_unless_end(message)
                if offset >= end:
                    del unread[partition]
                    reader.pause([TopicPartition(topic, partition)])
            patience.say_if_out({(topic, partition): end for partition, end in unread.items()})
    finally:
        reader.close()


def place(message: Message) -> tuple[int, int]:
    """Partition and offset of what a consumer gave, a record or an end of a partition; these always have both."""
    return cast("tuple[int, int]", (message.partition(), message.offset()))


def raise_unless_end(message: Message) -> None:
    """For a message with an error: nothing for the end of a partition or what passes by itself, else ReadingFailed."""
    error = cast("KafkaError", message.error())
    if error.code() == KafkaError._PARTITION_EOF or error.code() in _AWAY or error.retriable():
        return
    topic, (partition, _) = message.topic() or "", place(message)
    if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
        raise RecordsGone(topic, partition, error.str())
    if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION):
        raise UnknownTopic(topic)
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        raise ReadingFailed(lacks("Read", f"topic {topic}"))
    if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
        raise ReadingFailed(lacks("Read", f"its group: its worker's, or what begins with {READER_GROUP}"))
    raise ReadingFailed(f"cannot read {topic}, partition {partition}: {error.str()}" if topic else error.str())


class Patience:
    """Says, once for each time, that nothing has come for long, and what is waited for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.renew()

    def renew(self) -> None:
        """Something has come."""
        self._until = self._clock.monotonic() + _SAY_AFTER_S

    def say_if_out(self, unread: Mapping[Partition, int]) -> None:
        """`unread`: up to where each partition is still to be read; none: nothing is waited for."""
        if unread and self._clock.monotonic() > self._until:
            up_to = {f"{topic}/{partition}": end for (topic, partition), end in unread.items()}
            _log.info("waiting for brokers, or for open transactions to end", up_to=up_to)
            self._until = math.inf
