"""The compiled decoder against fastavro: what is good is read as it reads it, what is not is refused with the reason."""

from io import BytesIO
from itertools import product
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor import avro
from processor.avro import Undecodable
from processor.verdicts.batches import REASONS, RECORD, Decoder
from processor.verdicts.columns import LATE, NULL_VALUE, OK, OTHER_SCHEMA, UNCOUNTED, new_columns
from processor.verdicts.decoding import STRING_MAX, decode
from processor.verdicts.event import MessageVerdict, Verdict
from tests.decoding import NOW_MS, PREFIX, Counted, decoded, judged, parts_of, payloads, row_of, values, zigzag
from tests.engines import SEED, NoOtherWriters, payload_of
from tests.event_strategies import message_verdicts

GOOD = MessageVerdict("e1", NOW_MS, "a.example", "ann@a.example", 1, 2, Verdict.SPAM, "<m@a>", "203.0.113.7", 0.5)


@given(st.lists(message_verdicts, max_size=20))
def test_a_valid_verdict_comes_back_from_its_bytes(verdicts: list[MessageVerdict]) -> None:
    times = [verdict.occurred_at_ms for verdict in verdicts]
    assert decoded([payload_of(verdict) for verdict in verdicts], times) == [
        Counted(
            verdict.occurred_at_ms,
            verdict.verdict,
            verdict.internal_recipients,
            verdict.external_recipients,
            verdict.sender.encode(),
        )
        for verdict in verdicts
    ]


@given(values)
def test_any_bytes_are_what_fastavro_says_or_are_refused_for_the_first_thing_that_is_wrong(value: bytes | None) -> None:
    assert decoded([value]) == [judged(value)]


@given(st.lists(values, max_size=12))
def test_a_row_is_the_same_whatever_its_neighbours_are(rows: list[bytes | None]) -> None:
    assert decoded(rows) == [judged(value) for value in rows]


@given(st.binary(max_size=24), payloads(), st.binary(max_size=24), st.integers(0, 400))
def test_a_row_never_reads_beyond_its_bytes(before: bytes, payload: bytes, after: bytes, cut: int) -> None:
    for row, rest in ((payload, after), (payload[:cut], payload[cut:] + after)):
        assert _between(before, row, rest) == decoded([row])[0]


def _between(before: bytes, value: bytes, after: bytes) -> Counted | Undecodable:
    """The row `value` of a buffer in which other bytes stand around it."""
    buffer = np.frombuffer(before + value + after, np.uint8)
    ends = np.cumsum([0, len(before), len(value), len(after)])
    columns = new_columns(3)
    columns.status[:] = (NULL_VALUE, OK, NULL_VALUE)
    fingerprint = np.frombuffer(avro.fingerprint(RECORD), np.uint8)
    decode(buffer, ends, np.full(3, NOW_MS), np.zeros(0, np.int64), fingerprint, SEED, columns)
    return Undecodable.UNKNOWN_SCHEMA if columns.status[1] == OTHER_SCHEMA else row_of(columns, buffer, 1)


def _with(**changed: Any) -> bytes:
    """The good record with some fields replaced: by other values, or by bytes of any kind."""
    parts = dict(zip(GOOD.to_record(), parts_of(GOOD.to_record()), strict=True))
    for field, value in changed.items():
        parts[field] = value if isinstance(value, bytes) else _part(field, value)
    return PREFIX + b"".join(parts.values())


def _part(field: str, value: Any) -> bytes:
    names = list(GOOD.to_record())
    return parts_of({**GOOD.to_record(), field: value})[names.index(field)]


def _string(content: bytes) -> bytes:
    return zigzag(len(content)) + content


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Undecodable.NULL_VALUE),
        (b"", Undecodable.TRUNCATED),
        (b"\x00\x00\x00\x00", Undecodable.TRUNCATED),
        (b"\xc3", Undecodable.TRUNCATED),
        (PREFIX[:9], Undecodable.TRUNCATED),
        (PREFIX, Undecodable.TRUNCATED),
        (payload_of(GOOD)[:-1], Undecodable.TRUNCATED),
        (_with(event_id=zigzag(STRING_MAX)), Undecodable.TRUNCATED),
        (b"\x01" + payload_of(GOOD), Undecodable.WRONG_MAGIC),
        (b"{}", Undecodable.WRONG_MAGIC),
        (b"\xc3\x02" + PREFIX[2:], Undecodable.WRONG_MAGIC),
        (b"\xc3\x01abcdefgh" + payload_of(GOOD)[10:], Undecodable.UNKNOWN_SCHEMA),
        (b"\x00\x00\x00\x00\x07" + payload_of(GOOD)[10:], Undecodable.UNKNOWN_SCHEMA),
        (payload_of(GOOD) + b"\x00", Undecodable.TRAILING_BYTES),
        (payload_of(GOOD) * 2, Undecodable.TRAILING_BYTES),
        (_with(message_id=zigzag(2)), Undecodable.BAD_UNION_INDEX),
        (_with(client_ip=zigzag(-1)), Undecodable.BAD_UNION_INDEX),
        (_with(score=zigzag(2)), Undecodable.BAD_UNION_INDEX),
        (_with(score=zigzag(-2)), Undecodable.BAD_UNION_INDEX),
        (_with(score=zigzag(2**62)), Undecodable.BAD_UNION_INDEX),
        (_with(verdict=zigzag(8)), Undecodable.BAD_ENUM_INDEX),
        (_with(verdict=zigzag(-1)), Undecodable.BAD_ENUM_INDEX),
        (_with(sender=zigzag(-1)), Undecodable.BAD_LENGTH),
        (_with(sender=zigzag(-(2**63))), Undecodable.BAD_LENGTH),
        (_with(sender=zigzag(2**63 - 1)), Undecodable.BAD_LENGTH),
        (_with(message_id=b"\x02" + _string(b"x" * (STRING_MAX + 1))), Undecodable.BAD_LENGTH),
        (_with(message_id=zigzag(1, padding=1) + zigzag(STRING_MAX + 1)), Undecodable.BAD_LENGTH),
        (_with(sender=zigzag(5, padding=10) + b"ann@a"), Undecodable.VARINT_OUT_OF_RANGE),
        (_with(occurred_at=zigzag(2**63)), Undecodable.VARINT_OUT_OF_RANGE),
        (_with(occurred_at=b"\xff" * 9 + b"\x02"), Undecodable.VARINT_OUT_OF_RANGE),
        (_with(internal_recipients=zigzag(2**31)), Undecodable.VARINT_OUT_OF_RANGE),
        (_with(external_recipients=zigzag(-(2**31) - 1)), Undecodable.VARINT_OUT_OF_RANGE),
        (_with(sender=_string(b"ann\xff")), Undecodable.INVALID_UTF8),
        (_with(tenant_id=_string(b"\xed\xa0\x80")), Undecodable.INVALID_UTF8),
        (_with(event_id=_string(b"\xc0\x80")), Undecodable.INVALID_UTF8),
        (_with(message_id=b"\x02" + _string(b"\xf4\x90\x80\x80")), Undecodable.INVALID_UTF8),
        (_with(client_ip=b"\x02" + _string(b"\xe2\x82")), Undecodable.INVALID_UTF8),
        (_with(event_id=""), Undecodable.EMPTY_REQUIRED_FIELD),
        (_with(tenant_id=""), Undecodable.EMPTY_REQUIRED_FIELD),
        (_with(sender=""), Undecodable.EMPTY_REQUIRED_FIELD),
        (_with(internal_recipients=-1), Undecodable.NEGATIVE_COUNT),
        (_with(external_recipients=-(2**31)), Undecodable.NEGATIVE_COUNT),
        (_with(occurred_at=-1), Undecodable.TIME_OUT_OF_RANGE),
        (_with(occurred_at=253_402_300_800_000), Undecodable.TIME_OUT_OF_RANGE),
        (_with(occurred_at=-(2**63)), Undecodable.TIME_OUT_OF_RANGE),
        (_with(occurred_at=NOW_MS + 300_001), Undecodable.TIME_IN_THE_FUTURE),
    ],
    ids=lambda part: part.name if isinstance(part, Undecodable) else None,
)
def test_each_way_to_be_broken_has_its_reason_beside_good_records(value: bytes | None, reason: Undecodable) -> None:
    good = payload_of(GOOD)
    assert decoded([good, value, good]) == [judged(good), reason, judged(good)]
    assert judged(value) == reason, "the oracle agrees"


@pytest.mark.parametrize(
    "value",
    [
        _with(occurred_at=NOW_MS + 300_000),
        _with(occurred_at=0),
        _with(sender=_string(b"x" * STRING_MAX)),
        _with(message_id=b"\x02" + _string("é".encode() * (STRING_MAX // 2))),
        _with(message_id=None, client_ip=None, score=None),
        _with(message_id=""),
        _with(verdict=b"\x8e\x00", internal_recipients=zigzag(7, padding=9)),
        _with(internal_recipients=2**31 - 1, external_recipients=2**31 - 1),
        _with(score=float("nan")),
    ],
)  # fmt: skip
def test_what_is_just_within_the_rules_is_read(value: bytes) -> None:
    found = decoded([value])
    assert isinstance(found[0], Counted)
    assert found == [judged(value)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (_with(message_id=zigzag(-2))[10:], Undecodable.BAD_UNION_INDEX),
        (_with(verdict=zigzag(-1))[10:], Undecodable.BAD_ENUM_INDEX),
        (_with(internal_recipients=zigzag(2**40))[10:], Undecodable.VARINT_OUT_OF_RANGE),
        (_with(internal_recipients=zigzag(1, padding=10))[10:], Undecodable.VARINT_OUT_OF_RANGE),
    ],
)
def test_what_fastavro_lets_pass_is_refused(body: bytes, reason: Undecodable) -> None:
    fastavro.schemaless_reader(BytesIO(body), avro.schema(RECORD), None)
    assert decoded([PREFIX + body]) == [reason]


def test_text_is_utf_8_exactly_where_python_says_so() -> None:
    edges = bytes.fromhex("00 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff")
    contents = [bytes(content) for length in (1, 2, 3, 4) for content in product(edges, repeat=length)]
    before, after = (PREFIX + b"".join(parts_of(GOOD.to_record())[:3]), b"".join(parts_of(GOOD.to_record())[4:]))
    rows = decoded([before + zigzag(len(content)) + content + after for content in contents])
    for content, row in zip(contents, rows, strict=True):
        assert (row is Undecodable.INVALID_UTF8) == (content.decode("utf-8", "ignore").encode() != content)


@given(st.lists(values, max_size=8))
def test_what_is_rejected_is_told_with_its_reason_and_a_good_row_with_its_whole_record(
    rows: list[bytes | None],
) -> None:
    times = np.full(len(rows), NOW_MS)
    batch = Decoder(NoOtherWriters(), SEED).batch(rows, np.arange(len(rows)), times)
    expected = [judged(value) for value in rows]
    assert batch.rejected() == [(row, what) for row, what in enumerate(expected) if isinstance(what, Undecodable)]
    for row, what in enumerate(expected):
        value = rows[row]
        if isinstance(what, Counted) and value is not None:
            record, again = batch.record(row), avro.decode_body(RECORD, value[10:])
            assert record == again or record["score"] != record["score"]


def test_every_reason_is_the_name_of_one_status_and_valid_records_have_none() -> None:
    assert sorted(REASONS.values()) == sorted(Undecodable)
    assert not REASONS.keys() & {OK, OTHER_SCHEMA, LATE, UNCOUNTED}


def test_an_earlier_batch_leaves_nothing_behind() -> None:
    decoder = Decoder(NoOtherWriters(), SEED)
    good = payload_of(GOOD)
    for size in (5, 0, 2, 9, 3):
        rows = [good, b"", None, good, b"x", *[good] * 4][:size]
        batch = decoder.batch(rows, np.arange(size), np.full(size, NOW_MS))
        assert len(batch) == size
        assert [row for row, _ in batch.rejected()] == [row for row in (1, 2, 4) if row < size]
