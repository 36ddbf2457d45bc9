"""Verdicts that were written with another schema than ours, through the serde that knows the registry."""

from processor import avro
from processor.kafka.serde import Framing, Serde

RECORD = "MessageVerdict"


class RegisteredWriters:
    """What the decoder asks about a payload that it does not know (`processor.verdicts.batches.Writers`)."""

    def __init__(self, serde: Serde) -> None:
        self._serde = serde

    def current_id(self, payload: bytes) -> int | None:
        """The registry id that the payload names, if that schema is our very own. Raises UndecodableRecord."""
        writer = self._serde.writer_schema(payload)
        if writer.framing is Framing.REGISTRY and writer.is_current and writer.name == RECORD:
            return int.from_bytes(payload[1:5], "big")
        return None

    def body(self, payload: bytes) -> bytes:
        """The record written anew with our schema. Raises UndecodableRecord, also for another kind of record."""
        name, record = self._serde.decode(payload)
        if name != RECORD:
            raise avro.UndecodableRecord(avro.Undecodable.UNKNOWN_SCHEMA, f"{name} is not {RECORD}")
        return avro.encode_body(RECORD, record)
