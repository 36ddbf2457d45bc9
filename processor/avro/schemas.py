"""The schemas of senderwatch by name, their fingerprints, and records to bytes and back.

Times are plain integers here (epoch milliseconds): logical types are stripped from every schema, ours and a writer's,
since fastavro would make them into datetimes, and those into bytes again, at several times the cost.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, cast

import fastavro
from fastavro.schema import fingerprint as hexadecimal_fingerprint
from fastavro.schema import to_parsing_canonical_form
from fastavro.types import Schema
from fastavro.validation import validate

from processor import resources
from processor.avro.layout import Check, check_layout, compile_check
from processor.avro.refusals import Undecodable, UndecodableRecord

NAMESPACE = "senderwatch"
"""The namespace of every record here; a record's full name is `senderwatch.NAME`."""

SINGLE_OBJECT_MAGIC = b"\xc3\x01"
"""What single-object encoding starts with; eight bytes of fingerprint follow (Avro specification)."""


@lru_cache
def names() -> tuple[str, ...]:
    """The names of all records that have a schema, sorted."""
    return tuple(sorted(file.stem for file in resources.folder("schemas").glob("*.avsc")))


@lru_cache
def raw_schema(name: str) -> str:
    """The JSON text of a schema as it stands in its file; raises FileNotFoundError for a name that has none."""
    return (resources.folder("schemas") / f"{name}.avsc").read_text(encoding="utf-8")


@lru_cache
def schema(name: str) -> Schema:
    """Our schema for reading and writing the record `name`, parsed, without logical types."""
    return parse(raw_schema(name))


@lru_cache
def canonical_form(name: str) -> str:
    """The parsing canonical form of our schema: two schemas that share it have the same bytes."""
    return to_parsing_canonical_form(schema(name))


@lru_cache
def fingerprint(name: str) -> bytes:
    """The CRC-64-AVRO fingerprint of our schema, eight bytes, little-endian as single-object encoding has it."""
    return fingerprint_of(schema(name))


def single_object_prefix(name: str) -> bytes:
    """What stands before a body of ours in single-object encoding: C3 01 and the fingerprint."""
    return SINGLE_OBJECT_MAGIC + fingerprint(name)


def parse(text: str) -> Schema:
    """Any schema text, parsed and without logical types; raises ValueError for what is no Avro schema."""
    try:
        return fastavro.parse_schema(_without_logical_types(json.loads(text)))
    except (fastavro.schema.SchemaParseException, fastavro.schema.UnknownType, LookupError, TypeError) as error:
        raise ValueError(f"not an Avro schema: {error}") from error


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    if isinstance(node, list):
        return [_without_logical_types(each) for each in node]
    return node


def fingerprint_of(parsed: Schema) -> bytes:
    """The CRC-64-AVRO fingerprint of any parsed schema, eight bytes, little-endian."""
    return bytes.fromhex(hexadecimal_fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO"))


def record_name(parsed: Schema) -> str:
    """The name of a record schema without its namespace, the part that schema resolution compares; else ''."""
    if isinstance(parsed, dict) and parsed["type"] == "record":
        return str(parsed["name"]).rsplit(".", 1)[-1]
    return ""


@lru_cache
def released_versions(name: str) -> dict[int, str]:
    """The JSON text of each released version of a schema, by version number, oldest first."""
    files = (resources.folder("schemas") / "released" / name).glob("*.avsc")
    return {int(file.stem): file.read_text(encoding="utf-8") for file in sorted(files, key=lambda file: int(file.stem))}


@lru_cache
def writers_by_fingerprint() -> Mapping[bytes, Schema]:
    """The schemas that single-object encoding may name: of every record the present one and all released ones."""
    writers: dict[bytes, Schema] = {}
    for name in names():
        for text in (*released_versions(name).values(), raw_schema(name)):
            parsed = parse(text)
            writers[fingerprint_of(parsed)] = parsed
    return writers


def encode_body(name: str, record: Mapping[str, Any]) -> bytes:
    """A record as Avro binary, unframed. Raises ValueError or TypeError when the record is not of our schema."""
    body = BytesIO()
    fastavro.schemaless_writer(body, schema(name), dict(record), strict_allow_default=True)
    return body.getvalue()


def decode_body(name: str, body: bytes | memoryview, writer: Schema | None = None) -> dict[str, Any]:
    """The record that `body` holds, as our schema sees it.

    Args:
        name: our record's name; its schema is the reader's.
        body: Avro binary without framing, one record and no byte more.
        writer: the schema that the body was written with; None when that is ours.

    Raises:
        UndecodableRecord: the bytes are not one record of the writer's schema, or that schema cannot be resolved to
            ours (Avro specification, "Schema Resolution").
    """
    ours = schema(name)
    body = bytes(body)
    check_layout(_check(ours if writer is None else writer), body)
    try:
        if writer is None:
            return cast("dict[str, Any]", fastavro.schemaless_reader(BytesIO(body), ours, None))
        record = fastavro.schemaless_reader(BytesIO(body), writer, ours)
        # fastavro resolves an enum, a record and a fixed of one name to each other, and gives what is none of our type.
        validate(record, ours, strict=False)
        return cast("dict[str, Any]", record)
    except Exception as error:  # fastavro names no closed set, and the writer's schema is anyone's
        raise UndecodableRecord(Undecodable.UNREADABLE, f"{type(error).__name__}: {error}"[:200]) from error


_checks: dict[int, tuple[Schema, Check]] = {}


def _check(parsed: Schema) -> Check:
    """The compiled check, kept with its schema: schemas are few, and found by identity, not by comparing them."""
    if id(parsed) not in _checks:
        _checks[id(parsed)] = (parsed, compile_check(parsed))
    return _checks[id(parsed)][1]
