"""Decisions and refusals as Kafka records."""

from collections.abc import Iterable
from typing import cast

from confluent_kafka import Message

from processor import avro
from processor.avro import Undecodable
from processor.kafka.cloudevents import headers
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import OutRecord
from processor.restrictions.events import Published, SenderBlocked, SenderUnblocked

REASON_HEADER = "senderwatch-reason"
TOPIC_HEADER = "senderwatch-topic"
PARTITION_HEADER = "senderwatch-partition"
OFFSET_HEADER = "senderwatch-offset"
TIMESTAMP_HEADER = "senderwatch-timestamp"
PART_HEADER = "senderwatch-part"
LEFT_OUT_HEADER = "senderwatch-left-out"

_WHOLE_BYTES = 1_000_000
"""What fits into the topic uncompressed, with our headers, at Kafka's default limit."""
_PIECE_BYTES = 512 * 1024
_AROUND_BYTES = 64 * 1024


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
    """A record that was refused, byte for byte, with the reason and where it stood in headers.

    It can be larger than the dead-letter topic takes (the limits count compressed bytes, and its feeder compressed better):
    then its value comes in several records, in order, each with its part's number; a key or headers of that size are left out.
    """
    _, timestamp_ms = message.timestamp()
    value, key = message.value(), message.key()
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    ours = {
        REASON_HEADER: reason.value,
        TOPIC_HEADER: message.topic(),
        PARTITION_HEADER: message.partition(),
        OFFSET_HEADER: message.offset(),
        TIMESTAMP_HEADER: timestamp_ms,
    }
    around = len(key or b"") + sum(len(name) + len(content or b"") for name, content in headers)
    if len(value or b"") + around > _WHOLE_BYTES and around > _AROUND_BYTES:
        key, headers = None, []
        ours[LEFT_OUT_HEADER] = f"key and headers, {around} bytes"
    pieces = [value]
    if value is not None and len(value) + around > _WHOLE_BYTES:
        pieces = [value[at : at + _PIECE_BYTES] for at in range(0, max(1, len(value)), _PIECE_BYTES)]
    letters = []
    for number, piece in enumerate(pieces, 1):
        part = {PART_HEADER: f"{number}/{len(pieces)}"} if len(pieces) > 1 else {}
        described = [(name, str(content).encode()) for name, content in {**ours, **part}.items()]
        letters.append(OutRecord(topics.dead_letters, piece, key, headers=[*headers, *described]))
    return letters
