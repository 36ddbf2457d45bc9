"""Records of senderwatch in Kafka's values: framed, with a schema registry or without, and read back from either.

With a registry: 00 and the schema's number in four bytes (Confluent's wire format), each record type of a topic under a
subject of its own (TopicRecordNameStrategy). Without: C3 01 and the schema's fingerprint (Avro single-object encoding).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import structlog
from fastavro.schema import to_parsing_canonical_form
from fastavro.types import Schema

from processor import avro
from processor.avro import Undecodable, UndecodableRecord
from processor.kafka.registry import Registry, RegistryAway

Answer = TypeVar("Answer")

_log = structlog.get_logger(__name__)

_REGISTRY_MAGIC = b"\x00"
_REGISTRY_PREFIX_BYTES = 5
_SINGLE_OBJECT_PREFIX_BYTES = 10
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _STOP_CHECK_S = 0.25, 15.0, 0.25
_UNKNOWN_ID_S = 30.0
"""How long a number that the registry did not know is taken to be unknown: it may yet be registered."""
_UNKNOWN_IDS_KEPT = 10_000


class Framing(StrEnum):
    """How a record says which schema it was written with."""

    REGISTRY = "schema registry"
    SINGLE_OBJECT = "single-object"


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """What a record's first bytes say: the schema it was written with, and where its body starts.

    `is_current` when that schema and ours have the same canonical form, so that the bytes mean the same in both.
    """

    framing: Framing
    name: str
    schema: Schema
    is_current: bool
    body_offset: int


class Serde:
    """Writes and reads framed records. A registry that is away is waited for, since no record is at fault then."""

    def __init__(
        self,
        registry: Registry | None,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        pause: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`should_stop` ends the wait for a registry: the call that waits raises RegistryAway then."""
        self._registry = registry
        self._should_stop = should_stop
        self._pause = pause
        self._monotonic = monotonic
        self._prefixes: dict[tuple[str, str], bytes] = {}
        self._writers: dict[bytes, WriterSchema] = {}
        self._unknown: dict[bytes, tuple[float, UndecodableRecord]] = {}

    def prefix(self, topic: str, name: str) -> bytes:
        """What stands before each body of our record `name` in `topic`. Raises RegistryRefused."""
        if (topic, name) not in self._prefixes:
            self._prefixes[topic, name] = self._new_prefix(topic, name)
        return self._prefixes[topic, name]

    def _new_prefix(self, topic: str, name: str) -> bytes:
        registry = self._registry
        if registry is None:
            return avro.single_object_prefix(name)
        subject = f"{topic}-{avro.NAMESPACE}.{name}"
        number = self._patiently(lambda: registry.id_of(subject, avro.raw_schema(name)))
        return _REGISTRY_MAGIC + number.to_bytes(4, "big")

    def encode(self, topic: str, name: str, record: Mapping[str, Any]) -> bytes:
        """The value of a Kafka record. Raises ValueError for a record that is not of our schema, RegistryRefused."""
        return self.prefix(topic, name) + avro.encode_body(name, record)

    def decode(self, payload: bytes | None) -> tuple[str, dict[str, Any]]:
        """The record's name without namespace, and the record as our schema of that name sees it.

        Raises UndecodableRecord, and RegistryRefused when the registry will not tell schemas to us.
        """
        if payload is None:
            raise UndecodableRecord(Undecodable.NULL_VALUE)
        writer = self.writer_schema(payload)
        body = memoryview(payload)[writer.body_offset :]
        return writer.name, avro.decode_body(writer.name, body, None if writer.is_current else writer.schema)

    def writer_schema(self, payload: bytes) -> WriterSchema:
        """The schema that a value's first bytes name; the body is not looked at. Raises as `decode` does."""
        if payload[:1] == _REGISTRY_MAGIC:
            prefix, length = payload[:_REGISTRY_PREFIX_BYTES], _REGISTRY_PREFIX_BYTES
        elif payload[:2] == avro.SINGLE_OBJECT_MAGIC:
            prefix, length = payload[:_SINGLE_OBJECT_PREFIX_BYTES], _SINGLE_OBJECT_PREFIX_BYTES
        elif payload in (b"", avro.SINGLE_OBJECT_MAGIC[:1]):
            raise UndecodableRecord(Undecodable.TRUNCATED, f"{len(payload)} bytes")
        else:
            raise UndecodableRecord(Undecodable.WRONG_MAGIC, f"starts with {payload[:2].hex(' ').upper()}")
        known = self._writers.get(prefix)
        if known is not None:
            return known
        if len(prefix) < length:
            raise UndecodableRecord(Undecodable.TRUNCATED, f"{len(prefix)} bytes, {length} needed before the body")
        writer = self._registered(prefix) if length == _REGISTRY_PREFIX_BYTES else _fingerprinted(prefix)
        self._writers[prefix] = writer
        return writer

    def _registered(self, prefix: bytes) -> WriterSchema:
        registry = self._registry
        number = int.from_bytes(prefix[1:], "big")
        if registry is None:
            raise UndecodableRecord(
                Undecodable.UNKNOWN_SCHEMA, f"id {number} of a schema registry, but schema_registry.url is not set"
            )
        until, refusal = self._unknown.get(prefix, (0.0, None))
        if refusal is not None and self._monotonic() < until:
            raise UndecodableRecord(refusal.reason, refusal.detail)
        try:
            text = self._patiently(lambda: registry.schema_of(number))
            return _writer(Framing.REGISTRY, _parsed(text, number), _REGISTRY_PREFIX_BYTES)
        except UndecodableRecord as refusal:
            if len(self._unknown) >= _UNKNOWN_IDS_KEPT:
                self._unknown.clear()
            self._unknown[prefix] = (self._monotonic() + _UNKNOWN_ID_S, refusal)
            raise

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """The registry's answer, however long it is away."""
        pause_s, waited = _FIRST_PAUSE_S, False
        while True:
            try:
                answer = ask()
            except RegistryAway as away:
                if self._should_stop():
                    raise
                _log.warning("waiting for the schema registry", reason=str(away), retry_in_s=pause_s)
                self._wait(pause_s)
                pause_s, waited = min(2 * pause_s, _LONGEST_PAUSE_S), True
            else:
                if waited:
                    _log.info("the schema registry answers again")
                return answer

    def _wait(self, seconds: float) -> None:
        end = self._monotonic() + seconds
        while (left := end - self._monotonic()) > 0 and not self._should_stop():
            self._pause(min(left, _STOP_CHECK_S))


def _parsed(text: str, number: int) -> Schema:
    try:
        return avro.parse(text)
    except ValueError as error:
        raise UndecodableRecord(Undecodable.UNKNOWN_SCHEMA, f"id {number}: {error}"[:200]) from None


def _fingerprinted(prefix: bytes) -> WriterSchema:
    """Raises UndecodableRecord for the fingerprint of no schema of ours, present or released."""
    schema = avro.writers_by_fingerprint().get(prefix[len(avro.SINGLE_OBJECT_MAGIC) :])
    if schema is None:
        raise UndecodableRecord(Undecodable.UNKNOWN_SCHEMA, f"fingerprint {prefix[2:].hex()}")
    return _writer(Framing.SINGLE_OBJECT, schema, _SINGLE_OBJECT_PREFIX_BYTES)


def _writer(framing: Framing, schema: Schema, body_offset: int) -> WriterSchema:
    """Raises UndecodableRecord when the schema is of no record that has a schema here."""
    name = avro.record_name(schema)
    if name not in avro.names():
        raise UndecodableRecord(Undecodable.UNKNOWN_SCHEMA, f"no record of senderwatch: {name or 'not a record'}")
    is_current = to_parsing_canonical_form(schema) == avro.canonical_form(name)
    return WriterSchema(framing, name, schema, is_current, body_offset)
