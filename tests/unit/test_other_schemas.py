"""Verdicts of other feeders: our own schema under any registry id the fast way, others the slow way, all counted alike."""

import numpy as np
import pytest
from confluent_kafka.schema_registry import Schema
from hypothesis import given
from hypothesis import strategies as st

from processor.avro import Undecodable
from processor.kafka.registry import Registry
from processor.kafka.serde import Serde
from processor.kafka.writers import RegisteredWriters
from processor.policies.policy import PolicySet
from processor.verdicts.batches import Batch, Decoder
from processor.verdicts.event import MessageVerdict, Verdict
from tests.decoding import NOW_MS, Counted, decoded, judged
from tests.engine_state import state_of
from tests.engines import SEED, feed, feed_payloads, new_engine, payload_of
from tests.verdict_strategies import cuts, logs, policy_sets
from tests.writers import DESCRIBED, NEWER, OLDER, OURS, KnownWriters, body_of, fingerprinted, registered

GOOD = MessageVerdict("e1", NOW_MS, "a.example", "ann@a.example", 1, 2, Verdict.SPAM, "<m@a>", "203.0.113.7", 0.5)
BY_ID = {1: OURS, 2: OLDER, 3: NEWER, 70_000: DESCRIBED}
FRAMES = [
    (fingerprinted(OURS), OURS),
    (fingerprinted(OLDER), OLDER),
    *((registered(i), text) for i, text in BY_ID.items()),
]


def known_writers() -> KnownWriters:
    return KnownWriters(BY_ID, released=(OLDER,))


def framed(frame: bytes, text: str, verdict: MessageVerdict = GOOD) -> bytes:
    return frame + body_of(text, verdict.to_record())


@pytest.mark.parametrize(("frame", "text"), FRAMES)
def test_a_verdict_is_counted_alike_whatever_its_writers_schema(frame: bytes, text: str) -> None:
    assert decoded([framed(frame, text)], writers=known_writers()) == [judged(payload_of(GOOD))]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (registered(4) + b"x", Undecodable.UNKNOWN_SCHEMA),
        (fingerprinted(NEWER) + b"x", Undecodable.UNKNOWN_SCHEMA),
        (framed(registered(1), OURS)[:-1], Undecodable.TRUNCATED),
        (framed(registered(1), OURS) + b"x", Undecodable.TRAILING_BYTES),
        (framed(registered(2), OLDER)[:-1], Undecodable.TRUNCATED),
        (framed(registered(3), NEWER) + b"x", Undecodable.TRAILING_BYTES),
        (registered(3), Undecodable.TRUNCATED),
        (registered(2) + body_of(OLDER, {**GOOD.to_record(), "sender": ""}), Undecodable.EMPTY_REQUIRED_FIELD),
        (registered(3) + body_of(NEWER, {**GOOD.to_record(), "internal_recipients": -1}), Undecodable.NEGATIVE_COUNT),
        (registered(3) + body_of(NEWER, {**GOOD.to_record(), "occurred_at": NOW_MS + 300_001}), Undecodable.TIME_IN_THE_FUTURE),
    ],
)  # fmt: skip
def test_a_broken_record_of_any_schema_has_its_reason_and_harms_no_neighbour(value: bytes, reason: Undecodable) -> None:
    rows = [framed(frame, text) for frame, text in FRAMES]
    good = judged(payload_of(GOOD))
    assert decoded([*rows, value, None, *rows], writers=known_writers()) == [
        *[good] * len(rows),
        reason,
        Undecodable.NULL_VALUE,
        *[good] * len(rows),
    ]


def _batch(decoder: Decoder, values: list[bytes | None]) -> Batch:
    return decoder.batch(values, np.arange(len(values)), np.full(len(values), NOW_MS))


def test_an_id_that_turned_out_to_be_our_schema_goes_the_fast_way_from_then_on() -> None:
    writers = known_writers()
    decoder = Decoder(writers, SEED)
    _batch(decoder, [framed(registered(1), OURS), framed(registered(70_000), DESCRIBED)])
    asked = writers.asked
    _batch(decoder, [framed(registered(1), OURS), framed(registered(70_000), DESCRIBED)] * 5)
    assert writers.asked == asked == 2


def test_the_whole_record_and_the_bytes_as_they_came_stay_known() -> None:
    rows: list[bytes | None] = [framed(frame, text) for frame, text in FRAMES]
    batch = _batch(Decoder(known_writers(), SEED), rows)
    for row, value in enumerate(rows):
        record = batch.record(row)
        assert [record[name] for name in ("event_id", "message_id", "verdict")] == ["e1", "<m@a>", "SPAM"]
        assert value == batch.values[row]


@given(policy_sets(), logs().flatmap(lambda log: st.tuples(st.just(log), cuts(len(log)))), st.data())
def test_a_log_of_mixed_schemas_makes_the_same_decisions(
    policies: PolicySet, cut_log: tuple[list[MessageVerdict], list[int]], data: st.DataObject
) -> None:
    log, ends = cut_log
    plain, mixed = new_engine(policies), new_engine(policies)
    payloads = [framed(*data.draw(st.sampled_from(FRAMES)), verdict) for verdict in log]
    assert feed_payloads(mixed, Decoder(known_writers(), SEED), payloads, ends) == feed(plain, log, [len(log)])
    assert state_of(mixed) == state_of(plain)


def test_the_registry_answers_the_decoder_as_the_one_in_memory_does() -> None:
    registry = Registry("mock://other-schemas")
    ids = {
        text: registry._client.register_schema("someone-else", Schema(text, "AVRO")) for text in (OLDER, NEWER, OURS)
    }
    rows = [framed(registered(number), text) for text, number in ids.items()]
    found = decoded([*rows, registered(99) + b"x"], writers=RegisteredWriters(Serde(registry)))
    assert found == [*[judged(payload_of(GOOD))] * 3, Undecodable.UNKNOWN_SCHEMA]
    assert isinstance(found[0], Counted)
