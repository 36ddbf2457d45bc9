"""One fixed log, with all that can be wrong in it, through decoder and engine: `python -m tests.kernel_run` prints what came of it.

A test compares what it prints however the kernels are run: compiled, compiled with bounds checks, and as plain Python.
"""

import json
import random
from typing import Any

import numpy as np

from processor.detection.changes import apply, rebuild, touched
from processor.detection.engine import Engine
from processor.policies.limits import LIMITS
from processor.policies.policy import Action, Conditions, Policy, PolicySet
from processor.restrictions.events import RestrictionEvent
from processor.verdicts.batches import Decoder
from processor.verdicts.event import MessageVerdict, Verdict
from tests.engine_state import state_of, totals_are_sums
from tests.engines import SEED, TOPIC, payload_of
from tests.writers import NEWER, OURS, KnownWriters, body_of, registered

RECORDS, BATCH = 3_000, 250
START_MS = 1_760_000_000_000
"""Some minutes before midnight in no time zone of interest; the log goes over one and a half days."""


def run() -> dict[str, Any]:
    """Reasons of rejected rows, events and the state at the end, as JSON can hold them."""
    policy = Policy(
        limits={limit.name: 30.0 if limit.percent else 9.0 for limit in LIMITS}, spam_percent_min_messages=5
    )
    alerting = Policy(limits=policy.limits, action=Action.ALERT)
    found = {}
    scoped = Policy("scoped", policy.limits, conditions=Conditions(tenants=frozenset({"school-1.example"})))
    for name, policies in (("blocking", (policy,)), ("alerting", (alerting,)), ("by tenant", (scoped, alerting))):
        found[name] = _through(PolicySet(policies=policies, version="v1", brake_blocks=5))
    return json.loads(json.dumps(found, default=str))  # type: ignore[no-any-return]


def _through(policies: PolicySet) -> dict[str, Any]:
    rows = _log(random.Random(5))
    decoder = Decoder(KnownWriters({1: OURS, 2: NEWER}), SEED)
    engine = Engine(TOPIC, 0, 2, policies, SEED)
    events: list[RestrictionEvent] = []
    rejected: list[tuple[int, str]] = []
    for start in range(0, RECORDS, BATCH):
        values, times = zip(*rows[start : start + BATCH], strict=True)
        batch = decoder.batch(values, np.arange(start, start + len(values)), np.array(times, np.int64))
        events += engine.take(batch)
        rejected += [(start + row, reason.value) for row, reason in batch.rejected()]
        if start == RECORDS // 2:
            engine = _restored(engine, policies)
    totals_are_sums(engine)
    return {
        "events": [(type(event).__name__, event.to_record()) for event in events],
        "rejected": rejected,
        "state": state_of(engine),
    }


def _restored(engine: Engine, policies: PolicySet) -> Engine:
    again = Engine(TOPIC, 0, 2, policies, SEED)
    for chunk in touched(engine):
        apply(again, chunk)
    rebuild(again, engine.stream_time_ms, engine.brake)
    return again


def _log(dice: random.Random) -> list[tuple[bytes | None, int]]:
    """Values and their Kafka timestamps. Half the senders are not this partition's."""
    rows: list[tuple[bytes | None, int]] = []
    at = START_MS
    for number in range(RECORDS):
        at += dice.randrange(90_000)
        name = f"user{int(60 * dice.random() ** 2)}@school-{dice.randrange(2)}.example"
        verdict = MessageVerdict(
            event_id=f"e{number}",
            occurred_at_ms=at - dice.choice([0, 0, 0, 200_000, 4_000_000, 90_000_000]),
            tenant_id=dice.choice([name.rpartition("@")[2], "school-1.example"]),
            sender=dice.choice([name, name, name * dice.randrange(1, 40), f"é{name}"]),
            internal_recipients=dice.randrange(4),
            external_recipients=dice.randrange(6),
            verdict=dice.choice([Verdict.CLEAN, Verdict.BULK, Verdict.SPAM, Verdict.MALWARE]),
            message_id=dice.choice([None, f"<{number}@a.example>"]),
        )
        rows.append((_value(dice, verdict), at + 1_000))
    return rows


def _value(dice: random.Random, verdict: MessageVerdict) -> bytes | None:
    value = payload_of(verdict)
    at = dice.randrange(len(value))
    match dice.randrange(12):
        case 0:
            return None
        case 1:
            return value[:at]
        case 2:
            return value + bytes([dice.randrange(256)])
        case 3:
            return value[:at] + bytes([value[at] ^ 1 << dice.randrange(8)]) + value[at + 1 :]
        case 4:
            return registered(1) + value[10:]
        case 5:
            return registered(2) + body_of(NEWER, verdict.to_record())
        case _:
            return value


if __name__ == "__main__":
    print(json.dumps(run()))  # noqa: T201
