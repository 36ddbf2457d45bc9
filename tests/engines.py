"""Runs logs through engines: records become payloads, batches are cut as a test wants them."""

from collections.abc import Sequence

import numpy as np

from processor import avro
from processor.detection.engine import Engine
from processor.policies.policy import PolicySet
from processor.restrictions.events import RestrictionEvent
from processor.verdicts.batches import Decoder
from processor.verdicts.event import MessageVerdict

TOPIC, PARTITION, SEED = "message-verdicts", 0, 7
LATE_CLOCK_MS = 1 << 60
"""A Kafka timestamp by which no record is in the future."""


class NoOtherWriters:
    """Everything is written in our own schema, in single-object encoding."""

    def current_id(self, payload: bytes) -> int | None:
        raise avro.UndecodableRecord(avro.Undecodable.UNKNOWN_SCHEMA)

    def body(self, payload: bytes) -> bytes:
        raise avro.UndecodableRecord(avro.Undecodable.UNKNOWN_SCHEMA)


def payload_of(verdict: MessageVerdict) -> bytes:
    """The record in single-object encoding, by fastavro."""
    return avro.single_object_prefix("MessageVerdict") + avro.encode_body("MessageVerdict", verdict.to_record())


def new_engine(policies: PolicySet) -> Engine:
    """An engine of a topic that has one partition."""
    return Engine(TOPIC, PARTITION, 1, policies, SEED)


def feed(
    engine: Engine, log: Sequence[MessageVerdict], ends: Sequence[int], first_offset: int = 0
) -> list[RestrictionEvent]:
    """Take the log up in batches that end at `ends`; its records have the offsets from `first_offset` on."""
    payloads = [payload_of(verdict) for verdict in log]
    return feed_payloads(engine, Decoder(NoOtherWriters(), SEED), payloads, ends, first_offset)


def feed_payloads(
    engine: Engine, decoder: Decoder, payloads: Sequence[bytes | None], ends: Sequence[int], first_offset: int = 0
) -> list[RestrictionEvent]:
    """The same with the values as they stand in the topic."""
    events: list[RestrictionEvent] = []
    start = 0
    for end in ends:
        offsets = np.arange(first_offset + start, first_offset + end, dtype=np.int64)
        batch = decoder.batch(payloads[start:end], offsets, np.full(end - start, LATE_CLOCK_MS, np.int64))
        events += engine.take(batch)
        start = end
    return events
