"""Verdicts whose senders and times the benchmark chooses itself, in the generator's own spelling."""

import numpy as np

from processor import avro
from processor.types import Int64s
from processor.verdicts import generated
from processor.verdicts.batches import RECORD
from processor.verdicts.event import Verdict
from processor.verdicts.generator import Batch

_TENANTS = 200
_NAMES = generated.names(_TENANTS)
_IP = 0xCB007101
"""203.0.113.1, for documentation (RFC 5737)."""


def verdicts(senders: Int64s, occurred_at_ms: Int64s, verdict: Verdict, first_event: int) -> Batch:
    """A verdict of each of these senders, each to one person outside; event ids are counted from `first_event` on."""
    count = len(senders)
    framing = np.frombuffer(avro.single_object_prefix(RECORD), np.uint8)
    events = np.arange(first_event, first_event + count, dtype=np.uint64)
    score = np.full(count, np.nan, np.float32)
    rows = generated.Rows(
        event=events,
        mail=events,
        occurred_at_ms=occurred_at_ms,
        tenant=senders % _TENANTS,
        sender=senders,
        client_ip=np.full(count, _IP, np.int64),
        internal_recipients=np.zeros(count, np.int64),
        external_recipients=np.ones(count, np.int64),
        verdict=np.full(count, int(verdict), np.int64),
        score=score,
        score_bits=score.view(np.uint32),
    )
    out = np.zeros(count * generated.ROW_MAX, np.uint8)
    places = generated.new_places(count)
    generated.write(rows, _NAMES, framing, out, places)
    ends = places.end.tolist()
    content = out[: ends[-1]].tobytes()
    starts = [0, *ends[:-1]]
    return Batch(
        [content[at:to] for at, to in zip(places.sender_start.tolist(), places.sender_end.tolist(), strict=True)],
        [content[at:to] for at, to in zip(starts, ends, strict=True)],
        occurred_at_ms,
    )


def event_id(value: bytes) -> str:
    """The event id in a payload that `verdicts` made: the first field after the framing."""
    start = len(avro.single_object_prefix(RECORD)) + 1
    return value[start : start + (value[start - 1] >> 1)].decode()
