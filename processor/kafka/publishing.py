"""Decisions and refusals as Kafka records."""

from collections.abc import Iterable
from typing import cast

from confluent_kafka import Message

from processor import avro
from processor.avro import Undecodable
from processor.kafka.cloudevents import headers
from processor.kafka.reading import place
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import OutRecord
from processor.restrictions.events import Published, SenderBlocked, SenderUnblocked
from processor.verdicts.letters import Origin, Refused, letters_of


def event_records(serde: Serde, topics: TopicNames, event: Published) -> Iterable[OutRecord]:
    """The event for `sender-restrictions`, and what it changes in `restricted-senders`."""
    name = type(event).__name__
    described = headers(
        id=event.event_id,
        type=f"senderwatch.{name}",
        source=f"/senderwatch/{event.position.topic}/{event.position.partition}",
        subject=event.sender,
        time_ms=event.occurred_at_ms,
    )
    body = avro.encode_body(name, event.to_record())
    value = serde.prefix(topics.restrictions, name) + body
    yield OutRecord(topics.restrictions, value, event.tenant_id.encode(), headers=described)
    if isinstance(event, SenderBlocked):
        value = serde.prefix(topics.restricted, name) + body
        yield OutRecord(topics.restricted, value, event.sender.encode(), headers=described)
    elif isinstance(event, SenderUnblocked):
        yield OutRecord(topics.restricted, None, event.sender.encode(), headers=described)


def dead_letters(topics: TopicNames, message: Message, reason: Undecodable) -> list[OutRecord]:
    """A record that was refused, byte for byte, with the reason and where it stood in headers; in parts if it is that large."""
    _, timestamp_ms = message.timestamp()
    origin = Origin(message.topic() or "", *place(message))
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    refused = Refused(origin, timestamp_ms, reason.value, message.key(), message.value(), headers)
    return [OutRecord(topics.dead_letters, each.value, each.key, headers=each.headers) for each in letters_of(refused)]
