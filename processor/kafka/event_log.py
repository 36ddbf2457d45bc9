"""The log of restriction events as other services and people read it: `sender-restrictions`, record by record.

Reads by `assign()`, in no consumer group: nothing is committed, and any number may read at once.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, cast, get_args

import structlog
from confluent_kafka import Message, TopicPartition

from processor import avro
from processor.avro import UndecodableRecord
from processor.kafka.clients import ClientSettings, consumer
from processor.kafka.cloudevents import rfc3339
from processor.kafka.reading import (
    first_offsets,
    last_stable_offsets,
    partitions_of,
    place,
    raise_unless_end,
    read_to_end,
)
from processor.kafka.serde import Serde
from processor.restrictions.events import Published


class EventName(StrEnum):
    """What `sender-restrictions` holds: the names of the records."""

    SENDER_BLOCKED = "SenderBlocked"
    SENDER_UNBLOCKED = "SenderUnblocked"
    SENDER_ALERTED = "SenderAlerted"
    COMMAND_REFUSED = "CommandRefused"


_log = structlog.get_logger(__name__)

_BATCH = 1000
_BATCH_WAIT_S = 0.1
_ATTRIBUTE = "ce_"
_EVENTS: Mapping[str, type[Published]] = {kind.__name__: kind for kind in get_args(Published)}


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event and where it stands. `attributes` are its CloudEvents headers without their prefix."""

    partition: int
    offset: int
    attributes: Mapping[str, str]
    name: str
    record: dict[str, Any]

    @property
    def event(self) -> Published | None:
        """The event as a value; None for a kind that this version does not know, and for one that no version can have written."""
        try:
            return _EVENTS[self.name].from_record(self.record) if self.name in _EVENTS else None
        except (TypeError, ValueError) as problem:  # such as a limit without its counters
            _log.warning("an event that cannot be", partition=self.partition, offset=self.offset, reason=str(problem))
            return None

    def as_cloudevent(self) -> dict[str, Any]:
        """The event in CloudEvents' JSON format, with partition and offset as extensions and its times as RFC 3339."""
        times = _time_fields(self.name)
        return {
            **self.attributes,
            "partition": self.partition,
            "offset": self.offset,
            "datacontenttype": "application/json",
            "data": {
                name: _told_time(value) if name in times and value is not None else value
                for name, value in self.record.items()
            },
        }


def _told_time(time_ms: int) -> str | int:
    try:
        return rfc3339(time_ms)
    except OverflowError:
        return time_ms


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are asked for; an empty collection leaves its field open."""

    tenants: Collection[str] = field(default=())
    senders: Collection[str] = field(default=())
    names: Collection[str] = field(default=())

    def includes(self, event: LoggedEvent) -> bool:
        return (
            (not self.tenants or event.record["tenant_id"] in self.tenants)
            and (not self.senders or event.record["sender"] in self.senders)
            and (not self.names or event.name in self.names)
        )


def read_events(
    settings: ClientSettings, topic: str, serde: Serde, *, should_stop: Callable[[], bool]
) -> Iterator[LoggedEvent]:
    """All events that are in the log now, transactions that are still open included once they are committed.

    Raises BrokerUnreachable, RegistryRefused and those of processor.kafka.reading.
    """
    messages = read_to_end(settings, topic, partitions_of(settings, topic), {}, should_stop=should_stop)
    return decoded(messages, serde)


def follow_events(
    settings: ClientSettings, topic: str, serde: Serde, *, from_beginning: bool, should_stop: Callable[[], bool]
) -> Iterator[LoggedEvent]:
    """The events that are committed from now on, or all from the beginning, until `should_stop`; raises as above."""
    partitions = partitions_of(settings, topic)
    # The end for a reader with read_committed: what is still open now and committed later is from now on, too.
    starts = (first_offsets if from_beginning else last_stable_offsets)(settings, topic, partitions)
    return decoded(_followed(settings, topic, starts, should_stop), serde)


def _followed(
    settings: ClientSettings, topic: str, starts: Mapping[int, int], should_stop: Callable[[], bool]
) -> Iterator[Message]:
    reader = consumer(settings, group=None)
    try:
        reader.assign([TopicPartition(topic, partition, start) for partition, start in starts.items()])
        while not should_stop():
            for message in reader.consume(_BATCH, _BATCH_WAIT_S):
                if message.error() is None:
                    yield message
                else:
                    raise_unless_end(message)
    finally:
        reader.close()


def decoded(messages: Iterable[Message], serde: Serde) -> Iterator[LoggedEvent]:
    """The events in records. What cannot be read is none of ours: it is said, and passed over. Raises RegistryRefused."""
    for message in messages:
        partition, offset = place(message)
        try:
            name, record = serde.decode(message.value())
        except UndecodableRecord as refused:
            _log.warning("an event that cannot be read", partition=partition, offset=offset, reason=str(refused))
            continue
        yield LoggedEvent(partition, offset, _attributes(message), name, record)


def _attributes(message: Message) -> dict[str, str]:
    """The CloudEvents headers; of one that is there twice the last, as Kafka's own clients do."""
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    return {
        name.removeprefix(_ATTRIBUTE): (value or b"").decode(errors="replace")
        for name, value in headers
        if name.startswith(_ATTRIBUTE)
    }


@lru_cache
def _time_fields(name: str) -> frozenset[str]:
    """The fields of an event that are times; none of them is inside another record (a test holds the schemas to it)."""
    fields = json.loads(avro.raw_schema(name))["fields"]
    return frozenset(each["name"] for each in fields if "timestamp-millis" in json.dumps(each["type"]))
