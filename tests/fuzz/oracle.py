"""What a payload must be, fast: fastavro alone where the bytes are the shortest spelling of the record, else the whole oracle."""

from io import BytesIO
from typing import Any, cast

import fastavro

from processor import avro
from processor.avro import Undecodable
from processor.verdicts.batches import RECORD
from processor.verdicts.decoding import STRING_MAX
from processor.verdicts.event import INT_MAX, OCCURRED_AT_MAX_MS, Verdict
from tests.decoding import FUTURE_MS, NOW_MS, PREFIX, Counted, judged

_SCHEMA = avro.schema(RECORD)
_NUMBERS = {verdict.name: verdict.value for verdict in Verdict}
_AT = len(PREFIX)


def quickly_judged(payload: bytes) -> Counted | Undecodable:
    """The same as tests.decoding.judged says: what fastavro writes back byte for byte has no loose spelling in it."""
    if payload.startswith(PREFIX) and len(payload) <= STRING_MAX:
        try:
            stream = BytesIO(payload)
            stream.seek(_AT)
            record = cast("dict[str, Any]", fastavro.schemaless_reader(stream, _SCHEMA, None))
            written = BytesIO()
            fastavro.schemaless_writer(written, _SCHEMA, record)
        except Exception:  # noqa: BLE001 - why it is refused is for the slow oracle to say
            return judged(payload)
        if written.getvalue() == payload[_AT:] and _is_valid(record):
            return Counted(
                record["occurred_at"],
                _NUMBERS[record["verdict"]],
                record["internal_recipients"],
                record["external_recipients"],
                record["sender"].encode(),
            )
    return judged(payload)


def _is_valid(record: dict[str, Any]) -> bool:
    return (
        bool(record["event_id"] and record["tenant_id"] and record["sender"])
        and 0 <= record["occurred_at"] <= min(OCCURRED_AT_MAX_MS, NOW_MS + FUTURE_MS)
        and 0 <= record["internal_recipients"] <= INT_MAX
        and 0 <= record["external_recipients"] <= INT_MAX
    )
