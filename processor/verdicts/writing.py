"""Generated records into files that can be imported: JSON Lines or an Avro container."""

import json
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, cast

import fastavro

from processor import avro

if TYPE_CHECKING:
    from processor.verdicts.generator import Batch


def write_jsonl(batches: "Iterable[Batch]", stream: IO[bytes]) -> None:
    """One verdict a line, with the fields of the Avro schema; the batches must have been generated without a prefix."""
    for record in _records(batches):
        stream.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")


def write_avro(batches: "Iterable[Batch]", stream: IO[bytes]) -> None:
    """An object container file with deflated blocks; the batches must have been generated without a prefix."""
    schema = json.loads(avro.raw_schema("MessageVerdict"))
    fastavro.writer(stream, schema, cast("Iterable[dict[str, Any]]", _records(batches)), codec="deflate")


def _records(batches: "Iterable[Batch]") -> Iterator[dict[str, Any]]:
    for batch in batches:
        for value in batch.values:
            yield avro.decode_body("MessageVerdict", value)
