"""Kafka clients, each with the properties that its use needs and, over these, the operator's own.

Why each value: design, section 3 ("things measured"). A property that the operator sets always wins.
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from processor.clock import MACHINE, Clock
from processor.kafka.client_log import Thinned
from processor.kafka.diagnosis import explained, unreadable_file
from processor.kafka.errors import BrokerRefused, BrokerUnreachable, RejectedProperty

Client = TypeVar("Client", Consumer, Producer, AdminClient)

_log = logging.getLogger("kafka.client")
_log.addFilter(Thinned())

READER_GROUP = "senderwatch-reader-"
"""What the group of a reader that is no member of any begins with."""
_SLICE_S = 0.5
_REFUSED = (KafkaError._AUTHENTICATION, KafkaError._SSL)
_REFUSED_S = 1.0
"""For another of several servers to answer, where one refuses the login or has a wrong certificate."""
TRANSACTION_TIMEOUT_MS = 10_000
"""How long readers may have to wait for what a dead worker left open; the broker looks every 10 s."""
POLICY_MAX_BYTES = 16 * 1024 * 1024
"""The largest record that a producer sends: a version of the policies (design, section 1)."""

_OURS: Mapping[str, str] = {
    "group.id": "settings detector.group and notifier.group",
    "group.instance.id": "option --slot",
    "group.protocol": "setting kafka.group_protocol",
    "transactional.id": "option --slot",
    "enable.auto.commit": "offsets are committed with what came of them, in one transaction",
    "enable.idempotence": "without it a record could be there twice",
    "isolation.level": "readers must not see what was aborted",
    "auto.offset.reset": "every start is explicit",
}
"""Properties that an operator cannot set, and why or where instead."""
_COMMON: Mapping[str, Any] = {
    "client.id": "senderwatch",
    "log.connection.close": False,  # brokers close idle connections; nobody needs to hear of it
    "reconnect.backoff.ms": 20,  # a new client waits for half of it between its first answer and its first question
    "reconnect.backoff.max.ms": 2000,
}
_CONSUMER: Mapping[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",  # every start is explicit
    "fetch.queue.backoff.ms": 10,  # the default of 1000 throttles a fast consumer to a fifth
    "queued.min.messages": 1_000_000,
    # These two bound the memory that the line above would take: 16 MB and the default of 1 MB a partition cost 70 MB more of
    # it (C's allocator keeps what comes and goes in large pieces), 64 MB a fifth more CPU.
    "queued.max.messages.kbytes": 8_192,
    "fetch.message.max.bytes": 262_144,  # a larger record comes all the same
    # An answer that never comes (a connection that is dead without saying so) is waited for this long, not for a minute. The
    # question who coordinates the group is asked of one broker and not again before, and the committed offsets come after it.
    "socket.timeout.ms": 20_000,
}
_PRODUCER: Mapping[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",  # Java's; the client's own would split a sender's counts between feeders
    "linger.ms": 5,
    "compression.type": "lz4",
    "message.max.bytes": POLICY_MAX_BYTES,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 262_144,
    "retry.backoff.ms": 5,  # the default adds 100 ms to a commit that follows another at once
    # Else a producer forgets the group's coordinator while no broker answers, and its next offsets wait for it in vain
    # (processor.kafka.transactions). A transaction that fails makes a new producer, which begins from the bootstrap servers.
    "metadata.recovery.strategy": "none",
}


@dataclass(frozen=True, slots=True)
class Makers:
    """Who makes the clients: the library, or what stands in for it. Each takes properties and a logger, as the library does."""

    consumer: Callable[..., Consumer] = Consumer
    producer: Callable[..., Producer] = Producer
    admin: Callable[..., AdminClient] = AdminClient


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where Kafka is, and what the operator wants of all clients, consumers, producers. Its repr has no secrets.

    `in_batches`: verdicts come past the client's Python objects, where that can be. `clock` is the one that whoever waits for
    Kafka goes by.
    """

    bootstrap_servers: str
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    consumer_properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    producer_properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    group_protocol: Literal["classic", "consumer"] = "classic"
    in_batches: bool = True
    makers: Makers = field(default=Makers(), repr=False)
    clock: Clock = field(default=MACHINE, repr=False)


def consumer(
    settings: ClientSettings,
    *,
    group: str | None,
    read_committed: bool = True,
    partition_eof: bool = False,
    slot: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Consumer:
    """A consumer that commits nothing by itself and starts only where it is told to.

    `group` None is for readers that only `assign()`: they get a group of their own that nothing is ever committed to.
    `slot` makes it a static member of that name. Raises RejectedProperty.
    """
    properties = {
        **_base(settings),
        **_CONSUMER,
        "isolation.level": "read_committed" if read_committed else "read_uncommitted",
        "enable.partition.eof": partition_eof,
        **(_unshared() if group is None else _membership(settings, group, slot)),
        **(extra or {}),
        **_checked(settings),
        **settings.consumer_properties,
    }
    return _made(settings.makers.consumer, properties)


def transactional_producer(
    settings: ClientSettings, *, transactional_id: str, extra: Mapping[str, Any] | None = None
) -> Producer:
    """A producer whose `init_transactions` is the caller's to call. Raises RejectedProperty.

    It has found a broker, where one is there: `init_transactions` of one that has not yet waits for half a second (librdkafka 2.16,
    `rd_kafka_txn_coord_query`) before it looks again. What is asked is all topics: to name one could make it.
    """
    made = producer(
        settings,
        extra={
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            **(extra or {}),
        },
    )
    with suppress(KafkaException):
        made.list_topics(timeout=_SLICE_S)
    return made


def producer(settings: ClientSettings, *, extra: Mapping[str, Any] | None = None) -> Producer:
    """An idempotent producer that waits for all replicas. Raises RejectedProperty."""
    properties = {
        **_base(settings),
        **_PRODUCER,
        **(extra or {}),
        **_checked(settings),
        **settings.producer_properties,
    }
    return _made(settings.makers.producer, properties)


def admin(settings: ClientSettings) -> AdminClient:
    """A client that makes, describes and changes topics. Raises RejectedProperty."""
    return _made(settings.makers.admin, {**admin_properties(settings), "error_cb": _heard})


def admin_properties(settings: ClientSettings) -> dict[str, Any]:
    """Those of `admin`, for one in another process: nothing in them but text and numbers."""
    return {**_COMMON, "bootstrap.servers": settings.bootstrap_servers, **settings.properties}


def check_reachable(settings: ClientSettings, timeout_s: float = 6.0) -> None:
    """Return when a broker answers; else raise BrokerUnreachable, with what the client says of the reason."""
    heard: list[KafkaError] = []
    properties = {**_base(settings), **_checked(settings), "error_cb": heard.append}
    client = _made(settings.makers.admin, properties, logger=_silent())
    last = _asked(client, heard, settings.clock, timeout_s)
    if last is None:
        return
    specific = [error for error in heard if "brokers are down" not in error.str()]
    found = (specific or heard or [last])[0]
    servers = settings.bootstrap_servers
    # What a handshake of our own could explain: not a login that is refused, nor that nothing comes at all.
    is_unexplained = bool(heard) and found.code() != KafkaError._AUTHENTICATION
    why = explained(servers, settings.properties) if is_unexplained else None
    if why is not None or found.code() in _REFUSED:
        raise BrokerRefused(servers, why or found.str())
    raise BrokerUnreachable(servers, found.str())


def _asked(client: AdminClient, heard: list[KafkaError], clock: Clock, timeout_s: float) -> KafkaError | None:
    """Nothing if a broker answers in time, else the client's last word. TLS or a login that fails gets no better by waiting."""
    began_s = clock.monotonic()
    while True:
        asked_s = clock.monotonic()
        try:
            client.list_topics(timeout=min(_SLICE_S, timeout_s))
        except KafkaException as error:
            client.poll(0.1)  # runs the callback for what went wrong while we waited
            waited_s = clock.monotonic() - began_s
            has_given_up = clock.monotonic() - asked_s < _SLICE_S  # before its time
            is_refused = waited_s > _REFUSED_S and any(each.code() in _REFUSED for each in heard)
            if has_given_up or is_refused or waited_s > timeout_s:
                return cast("KafkaError", error.args[0])
        else:
            return None


def _base(settings: ClientSettings) -> dict[str, Any]:
    return {**_COMMON, "bootstrap.servers": settings.bootstrap_servers, "error_cb": _heard}


def _unshared() -> dict[str, Any]:
    return {"group.id": f"{READER_GROUP}{uuid.uuid4()}"}


def _membership(settings: ClientSettings, group: str, slot: str | None) -> dict[str, Any]:
    member: dict[str, Any] = {"group.id": group}
    if slot is not None:
        member["group.instance.id"] = slot
    if settings.group_protocol == "consumer":
        return {**member, "group.protocol": "consumer"}  # KIP-848: assignor and timeouts are the broker's
    return {
        **member,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 1500,
        "partition.assignment.strategy": "cooperative-sticky",
    }


def _heard(error: KafkaError) -> None:
    """What the client tells on the side: it goes on trying, so this is news and no failure."""
    _log.warning("%s: %s", error.name(), error.str())


def _silent() -> logging.Logger:
    logger = logging.Logger("kafka.probe")  # noqa: LOG001 - not in the tree on purpose: its failure is told once, as an error
    logger.addHandler(logging.NullHandler())
    return logger


def _checked(settings: ClientSettings) -> dict[str, str]:
    """The operator's properties for all clients. Raises RejectedProperty for those that the guarantees rest on."""
    for chosen in (settings.properties, settings.consumer_properties, settings.producer_properties):
        for name in chosen:
            if name in _OURS:
                raise RejectedProperty(f"{name} is senderwatch's own business: {_OURS[name]}")
    return dict(settings.properties)


def _made(maker: Callable[..., Client], properties: dict[str, Any], logger: logging.Logger = _log) -> Client:
    try:
        return maker(properties, logger=logger)
    except (KafkaException, ValueError, TypeError) as error:
        said = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        raise RejectedProperty(unreadable_file(properties) or said) from None
