"""What can be read of a refused record, for whoever wants to see what is wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass

from processor import avro
from processor.avro import UndecodableRecord
from processor.kafka.serde import Serde
from processor.kafka.writers import RECORD as VERDICT
from processor.restrictions.commands import RECORD as COMMAND
from processor.restrictions.commands import Command
from processor.verdicts.dissecting import Broken, Field, dissected


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a record: which bytes it takes, where that is known, and what it says; `is_broken`: why it does not."""

    name: str
    start: int | None
    end: int | None
    says: str
    is_broken: bool = False


def pieces(serde: Serde, payload: bytes | None) -> Iterator[Piece]:
    """The frame and each field, up to the first that cannot be read. Raises RegistryAway, RegistryRefused."""
    try:
        writer = serde.writer_schema(payload) if payload is not None else None
    except UndecodableRecord as refused:
        yield Piece("frame", 0, None, str(refused), is_broken=True)
        return
    if writer is None or payload is None:
        yield Piece("value", None, None, "there is none (a tombstone)", is_broken=True)
        return
    other = "" if writer.is_current else ", another version of the schema than ours"
    yield Piece("frame", 0, writer.body_offset, f"{writer.framing.value}: {writer.name}{other}")
    if writer.is_current and writer.name == VERDICT:
        yield from map(_piece, dissected(payload, writer.body_offset))
        return
    body = memoryview(payload)[writer.body_offset :]
    try:
        record = avro.decode_body(writer.name, body, None if writer.is_current else writer.schema)
        yield from (Piece(name, None, None, repr(value)) for name, value in record.items())
        if writer.name == COMMAND:
            Command.from_record(record)
    except UndecodableRecord as refused:
        yield Piece("record", writer.body_offset, None, str(refused), is_broken=True)


def _piece(found: Field | Broken) -> Piece:
    if isinstance(found, Broken):
        detail = f": {found.detail}" if found.detail else ""
        return Piece(found.name, found.start, None, f"{found.reason.value}{detail}", is_broken=True)
    return Piece(found.name, found.start, found.end, repr(found.value))
