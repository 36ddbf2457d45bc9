"""Feeders that write verdicts with other schemas than ours, and a registry in memory that knows these."""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import fastavro
from fastavro.types import Schema

from processor import avro
from processor.avro import Undecodable, UndecodableRecord
from processor.verdicts.batches import RECORD

OURS = avro.raw_schema(RECORD)


def _changed(**changes: Any) -> str:
    """Our schema with another list of fields."""
    return json.dumps({**json.loads(OURS), **changes})


_FIELDS: list[dict[str, Any]] = json.loads(OURS)["fields"]
OLDER = _changed(fields=[field for field in reversed(_FIELDS) if field["name"] not in {"score", "client_ip"}])
"""Lacks two optional fields and has the others in another order."""
NEWER = _changed(fields=[{"name": "subject", "type": "string", "default": ""}, *_FIELDS])
"""Has a field that we do not know."""
DESCRIBED = json.dumps({**json.loads(OURS), "doc": "Ours, in somebody else's words."})
"""The same bytes as ours: documentation is no part of the canonical form."""


def body_of(text: str, record: Mapping[str, Any]) -> bytes:
    """A record as Avro binary of any schema, by fastavro; fields that the record lacks have their defaults."""
    body = BytesIO()
    parsed = avro.parse(text)
    names = {field["name"] for field in json.loads(text)["fields"]}
    fastavro.schemaless_writer(body, parsed, {name: value for name, value in record.items() if name in names})
    return body.getvalue()


def registered(number: int) -> bytes:
    """The frame of a schema in a registry."""
    return b"\x00" + number.to_bytes(4, "big")


def fingerprinted(text: str) -> bytes:
    """The frame of single-object encoding."""
    return avro.SINGLE_OBJECT_MAGIC + avro.fingerprint_of(avro.parse(text))


class KnownWriters:
    """Knows schemas by id, and by fingerprint those released. `asked` counts what went the slow way."""

    def __init__(self, by_id: Mapping[int, str], released: tuple[str, ...] = ()) -> None:
        self._schemas: dict[bytes, Schema] = {
            **{registered(number): avro.parse(text) for number, text in by_id.items()},
            **{fingerprinted(text): avro.parse(text) for text in released},
        }
        self.asked = 0

    def current_id(self, payload: bytes) -> int | None:
        self.asked += 1
        _, writer = self._writer(payload)
        ours = avro.fingerprint_of(writer) == avro.fingerprint(RECORD)
        return int.from_bytes(payload[1:5], "big") if payload[0] == 0 and ours else None

    def body(self, payload: bytes) -> bytes:
        frame, writer = self._writer(payload)
        return avro.encode_body(RECORD, avro.decode_body(RECORD, payload[len(frame) :], writer))

    def _writer(self, payload: bytes) -> tuple[bytes, Schema]:
        frame = payload[:5] if payload[0] == 0 else payload[:10]
        if frame not in self._schemas:
            raise UndecodableRecord(Undecodable.UNKNOWN_SCHEMA)
        return frame, self._schemas[frame]
