"""Strict reading of Avro's binary encoding: do these bytes spell one record of this schema, to the last byte?

A schema is compiled once into a chain of closures, one for each type. Each takes the bytes and an offset, and gives
the offset after its value, or raises UndecodableRecord. fastavro, which reads the values afterwards, would let pass
negative indices and lengths, endless varints and integers beyond their type. (Avro specification, "Binary Encoding".)
"""

from collections.abc import Callable, Mapping
from typing import Any

from fastavro.types import Schema

from processor.avro.refusals import Undecodable, UndecodableRecord

Check = Callable[[bytes, int], int]
"""Gives the offset after the value that starts at an offset."""

_INT_RANGE = range(-(2**31), 2**31)
_LENGTHS = range(2**31)
"""Longer than any Kafka record; beyond it a length is nonsense, and below it the record may be cut off."""


def _long(body: bytes, at: int) -> tuple[int, int]:
    """A zig-zag varint of at most ten bytes and 64 bits; its value and the offset after it."""
    raw = shift = 0
    try:
        while (byte := body[at]) & 0x80:
            raw |= (byte & 0x7F) << shift
            shift += 7
            at += 1
            if shift > 63:
                raise UndecodableRecord(Undecodable.VARINT_OUT_OF_RANGE, "more than 10 bytes")
    except IndexError:
        raise UndecodableRecord(Undecodable.TRUNCATED, "in a number") from None
    raw |= byte << shift
    if raw >> 64:
        raise UndecodableRecord(Undecodable.VARINT_OUT_OF_RANGE, "more than 64 bits")
    return (raw >> 1) ^ -(raw & 1), at + 1


def _check_long(body: bytes, at: int) -> int:
    return _long(body, at)[1]


def _check_int(body: bytes, at: int) -> int:
    value, after = _long(body, at)
    if value not in _INT_RANGE:
        raise UndecodableRecord(Undecodable.VARINT_OUT_OF_RANGE, f"{value} does not fit an int")
    return after


def _check_null(_body: bytes, at: int) -> int:
    return at


def _fixed(size: int) -> Check:
    def check(body: bytes, at: int) -> int:
        if len(body) - at < size:
            raise UndecodableRecord(Undecodable.TRUNCATED, f"{len(body) - at} bytes left, {size} needed")
        return at + size

    return check


def _check_boolean(body: bytes, at: int) -> int:
    after = _one_byte(body, at)
    if body[at] > 1:
        raise UndecodableRecord(Undecodable.UNREADABLE, f"a boolean of {body[at]}")
    return after


def _span(body: bytes, at: int) -> tuple[int, int]:
    """Where a length-prefixed value starts and ends."""
    length, start = _long(body, at)
    if length not in _LENGTHS:
        raise UndecodableRecord(Undecodable.BAD_LENGTH, f"{length} bytes")
    if length > len(body) - start:
        raise UndecodableRecord(Undecodable.TRUNCATED, f"{len(body) - start} bytes left, {length} needed")
    return start, start + length


def _check_bytes(body: bytes, at: int) -> int:
    return _span(body, at)[1]


def _check_string(body: bytes, at: int) -> int:
    start, end = _span(body, at)
    try:
        body[start:end].decode()
    except UnicodeDecodeError as error:
        raise UndecodableRecord(Undecodable.INVALID_UTF8, f"{error.reason} at byte {error.start} of a string") from None
    return end


def _index(count: int, reason: Undecodable) -> Callable[[bytes, int], tuple[int, int]]:
    def read(body: bytes, at: int) -> tuple[int, int]:
        index, after = _long(body, at)
        if not 0 <= index < count:
            raise UndecodableRecord(reason, f"{index} of {count}")
        return index, after

    return read


def _enum(count: int) -> Check:
    read = _index(count, Undecodable.BAD_ENUM_INDEX)
    return lambda body, at: read(body, at)[1]


def _union(branches: list[Check]) -> Check:
    read = _index(len(branches), Undecodable.BAD_UNION_INDEX)

    def check(body: bytes, at: int) -> int:
        index, after = read(body, at)
        return branches[index](body, after)

    return check


def _record(fields: list[Check]) -> Check:
    def check(body: bytes, at: int) -> int:
        for field in fields:
            at = field(body, at)
        return at

    return check


def _blocks(item: Check) -> Check:
    """Arrays and maps. No more items than the record has bytes: a bound where items take no room, such as nulls."""

    def check(body: bytes, at: int) -> int:
        total = 0
        while True:
            count, at = _long(body, at)
            if count == 0:
                return at
            if count < 0:  # the block's size in bytes stands before it
                count = -count
                size, at = _long(body, at)
                if not 0 <= size <= len(body) - at:
                    raise UndecodableRecord(Undecodable.BAD_LENGTH, f"a block of {size} bytes")
            total += count
            if total > len(body):
                raise UndecodableRecord(Undecodable.BAD_LENGTH, f"{total} items")
            for _ in range(count):
                at = item(body, at)

    return check


_one_byte = _fixed(1)

_PRIMITIVES: Mapping[str, Check] = {
    "null": _check_null,
    "boolean": _check_boolean,
    "int": _check_int,
    "long": _check_long,
    "float": _fixed(4),
    "double": _fixed(8),
    "bytes": _check_bytes,
    "string": _check_string,
}


def compile_check(schema: Schema, named: dict[str, Check] | None = None) -> Check:
    """The check for a schema that fastavro has parsed (full names, no logical types)."""
    named = {} if named is None else named
    if isinstance(schema, list):
        return _union([compile_check(branch, named) for branch in schema])
    if isinstance(schema, str):
        if schema in _PRIMITIVES:
            return _PRIMITIVES[schema]
        return _by_name(schema, named)
    check = _compile_complex(schema, named)
    if "name" in schema:
        named[schema["name"]] = check
    return check


def _by_name(name: str, named: Mapping[str, Check]) -> Check:
    """Looked up late: a record may hold itself."""

    def check(body: bytes, at: int) -> int:
        return named[name](body, at)

    return check


def _compile_complex(schema: Mapping[str, Any], named: dict[str, Check]) -> Check:
    match schema["type"]:
        case "record" | "error":
            return _record([compile_check(field["type"], named) for field in schema["fields"]])
        case "enum":
            return _enum(len(schema["symbols"]))
        case "fixed":
            return _fixed(schema["size"])
        case "array":
            return _blocks(compile_check(schema["items"], named))
        case "map":
            values = compile_check(schema["values"], named)
            return _blocks(lambda body, at: values(body, _check_string(body, at)))
        case other:
            return compile_check(other, named)


def check_layout(check: Check, body: bytes) -> None:
    """Raises UndecodableRecord unless `body` is exactly one value of the schema that `check` was compiled from."""
    try:
        end = check(body, 0)
    except RecursionError:
        raise UndecodableRecord(Undecodable.UNREADABLE, "nested too deeply") from None
    if end != len(body):
        raise UndecodableRecord(Undecodable.TRAILING_BYTES, f"{len(body) - end} after the record")
