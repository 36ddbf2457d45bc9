"""The versions of the policies: `outbound-policies`, where each version is a record and its number the record's offset.

Several sets of policies may share the topic; the record's key is the set's name, and those of another name are none of ours.
A record that cannot be used is no version: what was in force before it stays so. Reads by `assign()`, in no consumer group.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message

from processor.avro import UndecodableRecord
from processor.kafka.clients import POLICY_MAX_BYTES, ClientSettings, producer
from processor.kafka.reading import first_offsets, high_watermarks, partitions_of, place, read_to_end
from processor.kafka.rights import lacks
from processor.kafka.serde import Serde
from processor.policies.content import from_content, to_content
from processor.policies.policy import PolicySet
from processor.policies.problems import PolicyFileError

RECORD = "OutboundPolicies"
PARTITION = 0
"""The topic has one partition: a second one would have offsets, and so versions, of its own."""

_log = structlog.get_logger(__name__)

_AROUND_BYTES = 1024
"""What the client and the broker add to a record."""
_PATIENCE_S, _MORE_S = 30.0, 5.0
"""How long the client tries, and how much longer we wait for it to say how that went."""
_SLICE_S = 0.1
_TOLD_PROBLEMS = 3


class PolicyUnusable(Exception):
    """A record of our set that is no version, because it cannot be used. The text says why."""

    def __init__(self, version: str, reason: str) -> None:
        super().__init__(f"version {version} of the policies cannot be used: {reason}")
        self.version = version
        self.reason = reason


class UnknownVersion(Exception):
    """There is no such version of our set."""

    def __init__(self, topic: str, set_name: str, version: str) -> None:
        super().__init__(
            f"there is no version {version} of the policies {set_name} in {topic}: see `senderwatch policy history`"
        )


class PublishingFailed(Exception):
    """The policies were not published, or nobody knows. The text says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """A version of our set: who published it when, and what it says."""

    policies: PolicySet
    published_at_ms: int
    published_by: str
    comment: str | None

    @property
    def version(self) -> str:
        return self.policies.version


@dataclass(frozen=True, slots=True)
class UnusableVersion:
    """A record of our set that is no version, and why."""

    version: str
    published_at_ms: int
    reason: str


def policies_of(serde: Serde, set_name: str, key: bytes | None, value: bytes | None, offset: int) -> PolicySet | None:
    """The policies in a record, with its offset as version; None for a record of another set.

    Raises PolicyUnusable, RegistryRefused, RegistryAway.
    """
    if key != set_name.encode():
        return None
    return _policies(_record(serde, set_name, value, offset), offset)


def read_versions(
    settings: ClientSettings, topic: str, serde: Serde, set_name: str, *, should_stop: Callable[[], bool]
) -> Iterator[PublishedVersion | UnusableVersion]:
    """Every record of our set up to the end as it is now, in order, usable or not.

    Raises RegistryRefused, RegistryAway and those of processor.kafka.reading.
    """
    for message in _records(settings, topic, set_name, should_stop):
        yield _version(serde, set_name, message)


def latest_version(
    settings: ClientSettings,
    topic: str,
    serde: Serde,
    set_name: str,
    *,
    should_stop: Callable[[], bool],
    end: int | None = None,
) -> PublishedVersion | None:
    """The version in force: the last that can be used, None where there is none; of those before `end` if it is given.

    Raises as `read_versions`. Only what is needed is decoded; what had to be passed over is said.
    """
    offsets: list[int] = []
    last = None
    for last in _records(settings, topic, set_name, should_stop, end):
        offsets.append(place(last)[1])
    while offsets:
        offset = offsets.pop()
        message = _at(settings, topic, offset, should_stop) if last is None else last
        last = None
        version = None if message is None else _version(serde, set_name, message)
        if isinstance(version, PublishedVersion):
            return version
        if version is not None:
            _log.warning("a version of the policies cannot be used", version=version.version, reason=version.reason)
    return None


def latest_policies(
    settings: ClientSettings,
    topic: str,
    serde: Serde,
    set_name: str,
    *,
    should_stop: Callable[[], bool],
    end: int | None = None,
) -> PolicySet | None:
    """The policies of the version in force, None where there is none. As `latest_version`."""
    latest = latest_version(settings, topic, serde, set_name, should_stop=should_stop, end=end)
    return None if latest is None else latest.policies


def version_at(
    settings: ClientSettings,
    topic: str,
    serde: Serde,
    set_name: str,
    version: str,
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> PolicySet:
    """The policies of one version. Raises UnknownVersion, PolicyUnusable and as `read_versions`."""
    offset = int(version) if version.isascii() and version.isdigit() and len(version) < 19 else None
    message = None if offset is None else _at(settings, topic, offset, should_stop)
    if offset is None or message is None:
        raise UnknownVersion(topic, set_name, version)
    policies = policies_of(serde, set_name, message.key(), message.value(), offset)
    if policies is None:
        raise UnknownVersion(topic, set_name, version)
    return policies


def publish(
    settings: ClientSettings,
    topic: str,
    serde: Serde,
    set_name: str,
    policies: PolicySet,
    *,
    published_by: str,
    comment: str | None,
) -> str:
    """Publish a version, and wait until it is there; its number. Workers take it up by themselves.

    Raises PublishingFailed, BrokerUnreachable, UnknownTopic, RegistryRefused, RegistryAway.
    """
    record = {"name": set_name, "content": to_content(policies), "published_by": published_by, "comment": comment}
    value = serde.encode(topic, RECORD, record)
    if len(value) + len(set_name) > POLICY_MAX_BYTES - _AROUND_BYTES:
        raise PublishingFailed(
            f"not published: the policies are {len(value):,} bytes with everything written out, and a version has at most "
            f"{POLICY_MAX_BYTES - _AROUND_BYTES:,}. Conditions by domain or tenant are shorter than lists of senders"
        )
    partitions_of(settings, topic)  # a topic that is not there must not be made by writing to it
    error, message = _delivered(settings, topic, set_name.encode(), value)
    if error is not None or message is None:
        raise PublishingFailed(_UNKNOWN.format("no broker answers") if error is None else _told(error, topic))
    return str(place(message)[1])


def _delivered(
    settings: ClientSettings, topic: str, key: bytes, value: bytes
) -> tuple[KafkaError | None, Message | None]:
    """What the broker says of a record: an error, or the record in its place; neither where it says nothing."""
    reports: list[tuple[KafkaError | None, Message]] = []
    client = producer(settings, extra={"message.timeout.ms": round(_PATIENCE_S * 1000), "linger.ms": 0})
    try:
        client.produce(topic, value, key, PARTITION, on_delivery=lambda *report: reports.append(report))
        deadline = time.monotonic() + _PATIENCE_S + _MORE_S
        while not reports and time.monotonic() < deadline:
            client.flush(_SLICE_S)
    except KafkaException as failed:  # from the flush, when the client may write nowhere at all
        return failed.args[0], None
    return reports[0] if reports else (None, None)


_UNKNOWN = "whether the policies were published is not known, `senderwatch policy history` shows it: {}"


def _told(error: KafkaError, topic: str) -> str:
    if error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE):
        return (
            f"not published: {topic} does not take records of this size: `senderwatch topics create --fix` sets its "
            f"max.message.bytes ({error.str()})"
        )
    if error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
        return f"not published: {lacks('Write', f'topic {topic}')}"
    if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC):
        return f"not published: {error.str()}"
    return _UNKNOWN.format(error.str())


def _records(
    settings: ClientSettings, topic: str, set_name: str, should_stop: Callable[[], bool], end: int | None = None
) -> Iterator[Message]:
    key = set_name.encode()
    partitions_of(settings, topic)
    ends = None if end is None else {PARTITION: end}
    for message in read_to_end(settings, topic, [PARTITION], {}, ends=ends, should_stop=should_stop):
        if message.key() == key:
            yield message


def _at(settings: ClientSettings, topic: str, offset: int, should_stop: Callable[[], bool]) -> Message | None:
    """The record at an offset, of whichever set; None where there is none."""
    partitions_of(settings, topic)
    first = first_offsets(settings, topic, [PARTITION])[PARTITION]
    if not first <= offset < high_watermarks(settings, topic, [PARTITION])[PARTITION]:
        return None
    ends = {PARTITION: offset + 1}
    return next(
        read_to_end(settings, topic, [PARTITION], {PARTITION: offset}, ends=ends, should_stop=should_stop), None
    )


def _version(serde: Serde, set_name: str, message: Message) -> PublishedVersion | UnusableVersion:
    offset, (_, published_at_ms) = place(message)[1], message.timestamp()
    try:
        record = _record(serde, set_name, message.value(), offset)
        policies = _policies(record, offset)
    except PolicyUnusable as error:
        return UnusableVersion(error.version, published_at_ms, error.reason)
    return PublishedVersion(policies, published_at_ms, record["published_by"], record["comment"])


def _record(serde: Serde, set_name: str, value: bytes | None, offset: int) -> dict[str, Any]:
    version = str(offset)
    try:
        name, record = serde.decode(value)
    except UndecodableRecord as refused:
        raise PolicyUnusable(version, str(refused)) from None
    if name != RECORD:
        raise PolicyUnusable(version, f"a record {name}, not {RECORD}")
    if record["name"] != set_name:
        raise PolicyUnusable(version, "its key and its record name two sets of policies")
    return record


def _policies(record: dict[str, Any], offset: int) -> PolicySet:
    try:
        return from_content(record["content"], str(offset))
    except PolicyFileError as error:
        told = [f"{each.field or 'content'}: given {each.given}, expected {each.expected}" for each in error.problems]
        more = len(told) - _TOLD_PROBLEMS
        tail = [f"and {more} more"] if more > 0 else []
        raise PolicyUnusable(str(offset), "; ".join([*told[:_TOLD_PROBLEMS], *tail])) from None
