"""Decisions and refusals as Kafka records."""

from collections.abc import Iterable

from confluent_kafka import Message

from processor.avro import Undecodable
from processor.kafka.cloudevents import headers
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import OutRecord
from processor.restrictions.events import RestrictionEvent, SenderBlocked, SenderUnblocked

REASON_HEADER = "senderwatch-reason"
TOPIC_HEADER = "senderwatch-topic"
PARTITION_HEADER = "senderwatch-partition"
OFFSET_HEADER = "senderwatch-offset"
TIMESTAMP_HEADER = "senderwatch-timestamp"


def event_records(serde: Serde, topics: TopicNames, event: RestrictionEvent) -> Iterable[OutRecord]:
    """The event for `sender-restrictions`, and what it changes in `restricted-senders`."""
    name = type(event).__name__
    described = headers(
        id=event.event_id,
        type=f"senderwatch.{name}",
        source=f"/senderwatch/{event.position.topic}/{event.position.partition}",
        subject=event.sender,
        time_ms=event.occurred_at_ms,
    )
    record = event.to_record()
    yield OutRecord(
        topics.restrictions,
        serde.encode(topics.restrictions, name, record),
        event.tenant_id.encode(),
        headers=described,
    )
    if isinstance(event, SenderBlocked):
        value = serde.encode(topics.restricted, name, record)
        yield OutRecord(topics.restricted, value, event.sender.encode(), headers=described)
    elif isinstance(event, SenderUnblocked):
        yield OutRecord(topics.restricted, None, event.sender.encode(), headers=described)


def dead_letter(topics: TopicNames, message: Message, reason: Undecodable) -> OutRecord:
    """A record that was refused, byte for byte, with the reason and where it stood in headers."""
    _, timestamp_ms = message.timestamp()
    ours = {
        REASON_HEADER: reason.value,
        TOPIC_HEADER: message.topic(),
        PARTITION_HEADER: message.partition(),
        OFFSET_HEADER: message.offset(),
        TIMESTAMP_HEADER: timestamp_ms,
    }
    return OutRecord(
        topics.dead_letters,
        message.value(),
        message.key(),
        headers=[*(message.headers() or []), *((name, str(value).encode()) for name, value in ours.items())],
    )
