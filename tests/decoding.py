"""What the compiled decoder has to make of any bytes: said again field by field, with fastavro and the strict check of layouts.

`judged` is the oracle, `decoded` what the decoder does, `payloads` makes bytes of every kind of brokenness.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple, cast

import fastavro
import numpy as np
from hypothesis import strategies as st

from processor import avro
from processor.avro import Undecodable, UndecodableRecord
from processor.avro.layout import compile_check
from processor.types import Bytes
from processor.verdicts.batches import REASONS, RECORD, Decoder, Writers
from processor.verdicts.columns import OK, Columns
from processor.verdicts.decoding import STRING_MAX
from processor.verdicts.event import OCCURRED_AT_MAX_MS, Verdict
from tests.engines import SEED, NoOtherWriters

PREFIX = avro.single_object_prefix(RECORD)
NOW_MS = 1_760_000_000_000
FUTURE_MS = 300_000
FIELDS = cast("list[dict[str, Any]]", cast("dict[str, Any]", avro.schema(RECORD))["fields"])
_CHECKS = {field["name"]: compile_check(field["type"]) for field in FIELDS}
_CHECK_LONG = compile_check("long")


class Counted(NamedTuple):
    """What detection sees of a good record."""

    occurred_at_ms: int
    verdict: int
    internal_recipients: int
    external_recipients: int
    sender: bytes


def decoded(
    values: Sequence[bytes | None], timestamps_ms: Sequence[int] | None = None, writers: Writers | None = None
) -> list[Counted | Undecodable]:
    """The rows of one batch."""
    decoder = Decoder(writers or NoOtherWriters(), SEED)
    times = np.array(timestamps_ms if timestamps_ms is not None else [NOW_MS] * len(values), np.int64)
    batch = decoder.batch(values, np.arange(len(values), dtype=np.int64), times)
    return [row_of(batch.columns, batch.buffer, row) for row in range(len(values))]


def row_of(columns: Columns, buffer: Bytes, row: int) -> Counted | Undecodable:
    """What a row of decoded columns says."""
    status = int(columns.status[row])
    if status != OK:
        return REASONS[status]
    start = int(columns.sender_start[row])
    return Counted(
        int(columns.occurred_at_ms[row]),
        int(columns.verdict[row]),
        int(columns.internal_recipients[row]),
        int(columns.external_recipients[row]),
        buffer[start : start + int(columns.sender_length[row])].tobytes(),
    )


def judged(value: bytes | None, timestamp_ms: int = NOW_MS) -> Counted | Undecodable:
    """What a row must be when only our own schema is known, in single-object encoding."""
    if value is None:
        return Undecodable.NULL_VALUE
    try:
        record = _record(_body(value))
    except UndecodableRecord as error:
        return error.reason
    if record["occurred_at"] > timestamp_ms + FUTURE_MS:
        return Undecodable.TIME_IN_THE_FUTURE
    return Counted(
        record["occurred_at"],
        Verdict[record["verdict"]],
        record["internal_recipients"],
        record["external_recipients"],
        record["sender"].encode(),
    )


def _body(value: bytes) -> bytes:
    if value[:1] == b"\x00":
        raise UndecodableRecord(Undecodable.TRUNCATED if len(value) < 5 else Undecodable.UNKNOWN_SCHEMA)
    if value[:2] != PREFIX[: min(2, len(value))]:
        raise UndecodableRecord(Undecodable.WRONG_MAGIC)
    if len(value) < len(PREFIX):
        raise UndecodableRecord(Undecodable.TRUNCATED)
    if not value.startswith(PREFIX):
        raise UndecodableRecord(Undecodable.UNKNOWN_SCHEMA)
    return value[len(PREFIX) :]


def _record(body: bytes) -> dict[str, Any]:
    record: dict[str, Any] = {}
    at = 0
    for field in FIELDS:
        _refuse_long_strings(field["type"], body[at:])
        end = _CHECKS[field["name"]](body, at)
        value = fastavro.schemaless_reader(BytesIO(body[at:end]), field["type"], None)
        _refuse_values(field["name"], value)
        record[field["name"]] = value
        at = end
    if at != len(body):
        raise UndecodableRecord(Undecodable.TRAILING_BYTES)
    assert (
        fastavro.schemaless_reader(BytesIO(body), avro.schema(RECORD), None) == record
        or record["score"] != record["score"]
    )
    return record


def _refuse_long_strings(type_: Any, rest: bytes) -> None:
    at = 0
    try:
        if isinstance(type_, list) and type_[1] == "string":
            at = _CHECK_LONG(rest, 0)
            if _long(rest) != 1:  # in whichever spelling
                return
        elif type_ != "string":
            return
        _CHECK_LONG(rest, at)
    except UndecodableRecord:
        return
    if _long(rest[at:]) > STRING_MAX:
        raise UndecodableRecord(Undecodable.BAD_LENGTH)


def _long(rest: bytes) -> int:
    return cast("int", fastavro.schemaless_reader(BytesIO(rest), "long", None))


def _refuse_values(name: str, value: Any) -> None:
    if name in {"event_id", "tenant_id", "sender"} and value == "":
        raise UndecodableRecord(Undecodable.EMPTY_REQUIRED_FIELD)
    if name.endswith("_recipients") and value < 0:
        raise UndecodableRecord(Undecodable.NEGATIVE_COUNT)
    if name == "occurred_at" and not 0 <= value <= OCCURRED_AT_MAX_MS:
        raise UndecodableRecord(Undecodable.TIME_OUT_OF_RANGE)


# --- bytes of every kind ------------------------------------------------------


def zigzag(number: int, padding: int = 0) -> bytes:
    """Avro's varint of a number of any size; `padding` adds bytes that change nothing."""
    raw = (number << 1) ^ (number >> 63) if -(1 << 63) <= number < 1 << 63 else number << 1
    encoded = bytearray()
    while raw > 0x7F:
        encoded.append(raw & 0x7F | 0x80)
        raw >>= 7
    encoded.append(raw)
    if padding:
        encoded[-1] |= 0x80
        encoded += b"\x80" * (padding - 1) + b"\x00"
    return bytes(encoded)


def parts_of(record: Mapping[str, Any]) -> list[bytes]:
    """The bytes of each field."""
    parts = []
    for field in FIELDS:
        part = BytesIO()
        fastavro.schemaless_writer(part, field["type"], record[field["name"]])
        parts.append(part.getvalue())
    return parts


_texts = st.text(max_size=12) | st.sampled_from(["ann@a.example", "\x00", "é" * 40, "😀", "x" * 300])
records = st.fixed_dictionaries(
    {
        "event_id": _texts,
        "occurred_at": st.integers(NOW_MS - 90_000_000, NOW_MS + 400_000) | st.integers(-(2**63), 2**63 - 1),
        "tenant_id": _texts,
        "sender": _texts,
        "message_id": st.none() | _texts,
        "client_ip": st.none() | st.sampled_from(["203.0.113.7", "2001:db8::7"]),
        "internal_recipients": st.integers(0, 200) | st.integers(-(2**31), 2**31 - 1),
        "external_recipients": st.integers(0, 200) | st.integers(-(2**31), 2**31 - 1),
        "verdict": st.sampled_from([verdict.name for verdict in Verdict]),
        "score": st.none() | st.floats(width=32),
    }
)
"""Records of the schema, not all of which are valid verdicts."""

_numbers = st.sampled_from(
    [0, 1, 2, 7, 8, -1, -2, 64, 65_535, 65_536, 65_537, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32, 2**62, 2**63 - 1, -(2**63), 2**63,
     2**70, 2**80]
)  # fmt: skip
varints = st.builds(zigzag, _numbers, st.sampled_from([0, 0, 0, 1, 5, 9, 10])) | st.binary(min_size=1, max_size=12)
"""Numbers that a field may hold or not, in their shortest form, padded, or no numbers at all."""
_not_utf8 = st.sampled_from(
    [b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x8f\xbf\xbf",
     b"\xf4\x90\x80\x80", b"\xf5", b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xe2\x82(", b"a\xc3"]
)  # fmt: skip


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Records of the schema as they are, or broken once or twice."""
    parts = parts_of(draw(records))
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(parts) - 1))
        text = draw(_not_utf8)
        parts[at] = draw(varints | st.just(zigzag(len(text)) + text) | st.just(b"\x02" + zigzag(len(text)) + text))
    payload = PREFIX + b"".join(parts)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(payload)))
        match draw(st.sampled_from(["cut", "append", "insert", "remove", "overwrite", "flip"])):
            case "cut":
                payload = payload[:at]
            case "append":
                payload += draw(st.binary(min_size=1, max_size=6))
            case "insert":
                payload = payload[:at] + draw(varints) + payload[at:]
            case "remove":
                payload = payload[:at] + payload[at + draw(st.integers(1, 5)) :]
            case "overwrite":
                new = draw(varints)
                payload = payload[:at] + new + payload[at + len(new) :]
            case "flip" if at < len(payload):
                payload = payload[:at] + bytes([payload[at] ^ 1 << draw(st.integers(0, 7))]) + payload[at + 1 :]
    return payload


values = st.none() | payloads() | st.binary(max_size=20)
"""What may stand in the topic."""
