"""Compiles all kernels into Numba's cache, so that a worker's first batch finds them there.

`python -m processor.workers.warming` is for the making of an image (deploy/Containerfile): it decides on a few made-up
records, writes what changed and restores from it, as a worker does.
"""

import numpy as np

from processor import avro
from processor.audit.what_if import WhatIf
from processor.detection.changes import Sweep, apply, rebuild, touched
from processor.detection.engine import Engine
from processor.detection.windows import DAY_MS
from processor.policies.policy import Conditions, Policy, PolicySet
from processor.restrictions.commands import Command, CommandKind
from processor.restrictions.events import Position, Published
from processor.restrictions.life import Role
from processor.verdicts.batches import RECORD, Decoder
from processor.verdicts.event import MessageVerdict, Verdict

_SPAM_COUNT = 11
"""One more than the built-in policy lets pass in an hour."""


class _NoWriters:
    """Every record here is written in our own schema."""

    def current_id(self, payload: bytes) -> int | None:  # noqa: ARG002 - the protocol's parameter
        return None

    def body(self, payload: bytes) -> bytes:  # noqa: ARG002 - the protocol's parameter
        raise avro.UndecodableRecord(avro.Undecodable.UNKNOWN_SCHEMA)


_SENDER = "sender@example.org"
_BY_TENANT = PolicySet((Policy("tenant", conditions=Conditions(tenants=frozenset({"tenant"}))), Policy()))


def warm() -> list[Published]:
    """A sender is blocked, and free again two days later; state is written and restored; another is blocked by hand.

    Returns these events.
    """
    engine, decoder = _engine(), Decoder(_NoWriters(), seed=1)
    times_ms = [DAY_MS + n for n in range(_SPAM_COUNT)] + [3 * DAY_MS]
    payloads = [_payload(n, time_ms) for n, time_ms in enumerate(times_ms)]
    offsets = np.arange(len(payloads), dtype=np.int64)
    batch = decoder.batch(payloads, offsets, np.array(times_ms, np.int64))
    events: list[Published] = [*engine.take(batch)]
    WhatIf.from_the_beginning([_BY_TENANT], topic="message-verdicts", seed=1).take(batch)
    restored = _engine()
    for chunk in [*touched(engine), *Sweep().slice(engine, 100)]:
        apply(restored, chunk)
    rebuild(restored, engine.stream_time_ms, engine.brake)
    command = Command("id", CommandKind.BLOCK, _SENDER, "tenant", "warming")
    position = Position("restriction-commands", 0, 0)
    return [*events, restored.obey(command, Role.ADMIN, times_ms[-1], position, len(payloads))]


def _engine() -> Engine:
    return Engine("message-verdicts", 0, 1, _BY_TENANT, seed=1)


def _payload(number: int, occurred_at_ms: int) -> bytes:
    verdict = MessageVerdict(
        event_id=str(number),
        occurred_at_ms=occurred_at_ms,
        tenant_id="tenant",
        sender=_SENDER,
        internal_recipients=0,
        external_recipients=1,
        verdict=Verdict.SPAM,
    )
    return avro.single_object_prefix(RECORD) + avro.encode_body(RECORD, verdict.to_record())


if __name__ == "__main__":
    warm()
