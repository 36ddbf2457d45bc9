"""What is to break, and when: drawn from the seed before anything starts.

A plan has strands, which run beside each other; within a strand one fault follows the other, each some seconds after the one
before it was mended. So two brokers are never away at the same time, but a broker and a worker and a worker's network are.
"""

import json
import random
from dataclasses import asdict, dataclass
from typing import Literal

Protocol = Literal["classic", "consumer"]
PROTOCOLS: tuple[Protocol, ...] = ("classic", "consumer")

STRANDS: dict[str, tuple[tuple[str, ...], tuple[float, float]]] = {
    "workers": (("worker-kill", "worker-kill-in-commit", "worker-freeze", "worker-restart"), (2.0, 8.0)),
    "brokers": (("broker-kill", "broker-pause", "broker-pause-in-commit", "blackout", "rolling-restart"), (2.0, 10.0)),
    "network": (("cut", "cut-in-commit", "reset", "cut-one-broker"), (2.0, 10.0)),
    "storms": (("storm",), (10.0, 30.0)),
    "notifiers": (("notifier-kill", "notifier-kill-in-commit", "notifier-freeze", "notifier-cut"), (3.0, 10.0)),
    "smtp": (("smtp-refuse", "smtp-4xx", "smtp-hang", "smtp-drop"), (1.0, 6.0)),
    "people": (("policy", "unblock", "block", "unblock"), (1.0, 4.0)),
}
"""By strand: its kinds of fault, and the least and longest gap before each, in seconds."""
KINDS = tuple(dict.fromkeys(kind for kinds, _ in STRANDS.values() for kind in kinds))
SLOW = {"rolling-restart"}
"""Takes so long that a short campaign would do nothing else."""
_SLOW_FROM_S = 120.0


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: after `gap_s`, with choices of its own that `seed` decides."""

    kind: str
    gap_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a campaign that is chosen beforehand."""

    seed: int
    duration_s: float
    protocol: Protocol
    rate: float
    strands: dict[str, list[Step]]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)


def drawn(
    seed: int, duration_s: float, protocol: Protocol | None, rate: float, kinds: frozenset[str] = frozenset(KINDS)
) -> Plan:
    """The plan of a seed. Each strand deals its kinds like cards, so that each comes up early and none is forgotten."""
    chosen = protocol or PROTOCOLS[seed % 2]
    strands = {}
    for name, (all_kinds, gaps) in STRANDS.items():
        own = random.Random(f"{seed}/{name}")
        deck = [each for each in all_kinds if each in kinds and (each not in SLOW or duration_s >= _SLOW_FROM_S)]
        steps: list[Step] = []
        while deck and sum(step.gap_s for step in steps) < duration_s:
            dealt = own.sample(deck, len(deck))
            steps += [Step(kind, round(own.uniform(*gaps), 2), own.randrange(2**31)) for kind in dealt]
        if steps:
            strands[name] = steps
    return Plan(seed, duration_s, chosen, rate, strands)
