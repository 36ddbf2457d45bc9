"""Which verdicts of a file may go on as records: not those that the detector would only make dead letters of."""

from datetime import UTC, datetime

from processor import avro
from processor.detection.windows import FUTURE_MS
from processor.verdicts.event import MessageVerdict
from processor.verdicts.reading import Refused

RECORD_MAX = 1_000_000
"""Bytes of key and value: what topics take by default (max.message.bytes), less the batch around it."""


def admitted(verdict: MessageVerdict, prefix: bytes, now_ms: int) -> bytes | Refused:
    """The record's value, `prefix` before its Avro body; refused beyond `now_ms` with 5 minutes' grace, and when it is too large."""
    if verdict.occurred_at_ms > now_ms + FUTURE_MS:
        claimed = f"{datetime.fromtimestamp(verdict.occurred_at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
        return Refused("occurred_at", f"is more than {FUTURE_MS // 60_000} minutes in the future", claimed)
    value = prefix + avro.encode_body("MessageVerdict", verdict.to_record())
    if len(verdict.sender.encode()) + len(value) > RECORD_MAX:
        return Refused("line", f"makes a record of more than {RECORD_MAX} bytes")
    return value
