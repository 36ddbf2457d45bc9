"""A feeder that keeps to a rate, and notes when it produced the verdicts that will make somebody be blocked.

`python -m bench.pacing` writes one of the usual spreads, and among it new accounts one after the other, each of which sends
eleven verdicts of spam: with the eleventh it passes the built-in limit of ten an hour. Everything is spelt before the first is sent.
"""

import argparse
import gc
import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.rows import event_id, verdicts
from bench.traffic import SPREADS, batches
from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.topics import TopicNames
from processor.verdicts.event import Verdict

SPAM_TO_BLOCK = 11
_TICK_S = 0.002
_FIRST_CULPRIT = 10_000_000
_FIRST_EVENT = 1 << 40


class Planned(NamedTuple):
    """A feeder's records in their order; of those that trigger a block the place and the event id."""

    keys: list[bytes]
    values: list[bytes]
    triggers: dict[int, str]


def planned(spread: str, rate: int, seconds: int, culprits_a_second: int, hours: float, end_ms: int) -> Planned:
    """So many records a second for so long, over so much event time; a share of them are culprits' spam."""
    spam = culprits_a_second * SPAM_TO_BLOCK * seconds
    traffic = SPREADS[spread].traffic(rate * seconds - spam, hours, end_ms)
    parts = list(batches(traffic))
    keys = [key for part in parts for key in part.keys]
    values = [value for part in parts for value in part.values]
    times_ms = np.concatenate([part.occurred_at_ms for part in parts])
    # Each culprit's verdicts come a millisecond apart; the culprits one after the other, evenly.
    if not spam:
        return Planned(keys, values, {})
    number = np.arange(spam, dtype=np.int64)
    culprit, nth = number // SPAM_TO_BLOCK, number % SPAM_TO_BLOCK
    at_s = culprit / culprits_a_second + nth * 0.001
    before = np.minimum((at_s * len(keys) / seconds).astype(np.int64), len(keys) - 1)
    order = np.argsort(before, kind="stable")
    bad = verdicts(_FIRST_CULPRIT + culprit[order], times_ms[before[order]], Verdict.SPAM, _FIRST_EVENT)
    return _merged(
        keys, values, before[order].tolist(), bad.keys, bad.values, (nth[order] == SPAM_TO_BLOCK - 1).tolist()
    )


def _merged(
    keys: list[bytes],
    values: list[bytes],
    before: list[int],
    bad_keys: list[bytes],
    bad_values: list[bytes],
    is_trigger: list[bool],
) -> Planned:
    all_keys: list[bytes] = []
    all_values: list[bytes] = []
    triggers: dict[int, str] = {}
    done = 0
    for place, key, value, triggers_a_block in zip(before, bad_keys, bad_values, is_trigger, strict=True):
        all_keys += keys[done:place]
        all_values += values[done:place]
        done = place
        if triggers_a_block:
            triggers[len(all_keys)] = event_id(value)
        all_keys.append(key)
        all_values.append(value)
    return Planned(all_keys + keys[done:], all_values + values[done:], triggers)


def produce(bootstrap: str, topic: str, plan: Planned, rate: int) -> tuple[dict[str, int], list[int]]:
    """Sends the plan at a rate. Returns the time of each trigger in monotonic ns by event id, and how late each tick began, ns."""
    producer = clients.producer(ClientSettings(bootstrap))
    times_ns: dict[str, int] = {}
    late_ns: list[int] = []
    tick_ns = round(_TICK_S * 1e9)
    a_tick = round(rate * _TICK_S)
    began_ns = time.monotonic_ns()
    for tick, first in enumerate(range(0, len(plan.keys), a_tick)):
        due_ns = began_ns + tick * tick_ns
        if (left_ns := due_ns - time.monotonic_ns()) > 0:
            time.sleep(left_ns / 1e9)
        late_ns.append(time.monotonic_ns() - due_ns)
        for place in range(first, min(first + a_tick, len(plan.keys))):
            if place in plan.triggers:
                times_ns[plan.triggers[place]] = time.monotonic_ns()
            producer.produce(topic, plan.values[place], plan.keys[place])
        producer.poll(0)
    producer.flush(60)
    return times_ns, late_ns


def main() -> None:
    """Feed one topic."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    parser.add_argument("spread", choices=SPREADS)
    for name in ("rate", "seconds", "culprits_a_second"):
        parser.add_argument(name, type=int)
    parser.add_argument("hours", type=float)
    parser.add_argument("end_ms", type=int)
    parser.add_argument("out", type=Path, metavar="FILE", help="gets the times of the triggers, as JSON")
    chosen = parser.parse_args()
    plan = planned(chosen.spread, chosen.rate, chosen.seconds, chosen.culprits_a_second, chosen.hours, chosen.end_ms)
    gc.freeze()
    gc.disable()
    topic = TopicNames(chosen.prefix).verdicts
    times_ns, late_ns = produce(chosen.bootstrap, topic, plan, chosen.rate)
    chosen.out.write_text(json.dumps({"produced_ns": times_ns, "late_ns": late_ns}))


if __name__ == "__main__":
    main()
