"""A verdict's bytes field by field, up to the first that is wrong: what a person needs to see who wrote it wrongly.

The rules are the decoder's (`processor.verdicts.decoding`), said once more in plain Python, since a kernel has no words; a test
holds the two together.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from processor.avro import Undecodable, UndecodableRecord
from processor.verdicts.decoding import STRING_MAX
from processor.verdicts.event import INT_MAX, OCCURRED_AT_MAX_MS, Verdict

_VARINT_MAX_BYTES = 10
_SCORE_BYTES = 4

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Field:
    """A field that could be read, and which bytes of the payload it takes."""

    name: str
    start: int
    end: int
    value: Value


@dataclass(frozen=True, slots=True)
class Broken:
    """The field in which reading ended, where it begins, and why."""

    name: str
    start: int
    reason: Undecodable
    detail: str


def dissected(payload: bytes, body_offset: int) -> Iterator[Field | Broken]:
    """The fields of a verdict written with our own schema, whose body begins at `body_offset`; a Broken is the last."""
    at = body_offset
    for name, read in _FIELDS:
        try:
            value, end = read(payload, at)
        except UndecodableRecord as refused:
            yield Broken(name, at, refused.reason, refused.detail)
            return
        yield Field(name, at, end, value)
        at = end
    if at != len(payload):
        detail = f"{len(payload) - at} bytes after the last field"
        yield Broken("(end)", at, Undecodable.TRAILING_BYTES, detail)


def _varint(payload: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(_VARINT_MAX_BYTES):
        if at + i >= len(payload):
            raise UndecodableRecord(Undecodable.TRUNCATED, "the record ends within a number")
        byte = payload[at + i]
        if i == _VARINT_MAX_BYTES - 1 and byte > 1:
            break
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + i + 1
    raise UndecodableRecord(Undecodable.VARINT_OUT_OF_RANGE, "a number of more than 64 bits")


def _string(payload: bytes, at: int) -> tuple[str, int]:
    length, start = _varint(payload, at)
    if not 0 <= length <= STRING_MAX:
        raise UndecodableRecord(Undecodable.BAD_LENGTH, f"a text of {length} bytes; at most {STRING_MAX} are taken")
    end = start + length
    if end > len(payload):
        raise UndecodableRecord(
            Undecodable.TRUNCATED, f"a text of {length} bytes, of which {len(payload) - start} are there"
        )
    try:
        return payload[start:end].decode(), end
    except UnicodeDecodeError as error:
        raise UndecodableRecord(Undecodable.INVALID_UTF8, f"at byte {start + error.start}") from None


def _required(payload: bytes, at: int) -> tuple[Value, int]:
    text, end = _string(payload, at)
    if not text:
        raise UndecodableRecord(Undecodable.EMPTY_REQUIRED_FIELD)
    return text, end


def _optional(payload: bytes, at: int) -> tuple[Value, int]:
    index, start = _branch(payload, at)
    return _string(payload, start) if index else (None, start)


def _branch(payload: bytes, at: int) -> tuple[int, int]:
    index, start = _varint(payload, at)
    if index not in (0, 1):
        raise UndecodableRecord(Undecodable.BAD_UNION_INDEX, f"{index}; 0 (nothing) and 1 (a value) there are")
    return index, start


def _time(payload: bytes, at: int) -> tuple[Value, int]:
    time_ms, end = _varint(payload, at)
    if not 0 <= time_ms <= OCCURRED_AT_MAX_MS:
        raise UndecodableRecord(Undecodable.TIME_OUT_OF_RANGE, f"{time_ms} ms; from 1970 to the year 9999 are taken")
    return time_ms, end


def _recipients(payload: bytes, at: int) -> tuple[Value, int]:
    count, end = _varint(payload, at)
    if not -INT_MAX - 1 <= count <= INT_MAX:
        raise UndecodableRecord(Undecodable.VARINT_OUT_OF_RANGE, f"{count} is no number of 32 bits")
    if count < 0:
        raise UndecodableRecord(Undecodable.NEGATIVE_COUNT, f"{count}")
    return count, end


def _verdict(payload: bytes, at: int) -> tuple[Value, int]:
    index, end = _varint(payload, at)
    if not 0 <= index < len(Verdict):
        raise UndecodableRecord(Undecodable.BAD_ENUM_INDEX, f"{index}; 0 to {len(Verdict) - 1} there are")
    return Verdict(index).name, end


def _score(payload: bytes, at: int) -> tuple[Value, int]:
    index, start = _branch(payload, at)
    if not index:
        return None, start
    end = start + _SCORE_BYTES
    if end > len(payload):
        raise UndecodableRecord(Undecodable.TRUNCATED, f"{len(payload) - start} of {_SCORE_BYTES} bytes")
    return struct.unpack_from("<f", payload, start)[0], end


_FIELDS: tuple[tuple[str, Callable[[bytes, int], tuple[Value, int]]], ...] = (
    ("event_id", _required),
    ("occurred_at", _time),
    ("tenant_id", _required),
    ("sender", _required),
    ("message_id", _optional),
    ("client_ip", _optional),
    ("internal_recipients", _recipients),
    ("external_recipients", _recipients),
    ("verdict", _verdict),
    ("score", _score),
)
"""In the order of `schemas/MessageVerdict.avsc`."""
