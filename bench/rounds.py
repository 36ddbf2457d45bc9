"""Verdicts of many senders who all send as much: each of them once a round, in an order that has nothing to do with their names.

`python -m bench.rounds` fills a topic with them, in a process of its own: see `bench.costs` for why.
"""

import argparse
import math
from collections.abc import Iterator

import numpy as np

from bench.rows import verdicts
from bench.traffic import write
from processor.kafka.topics import TopicNames
from processor.verdicts.event import Verdict
from processor.verdicts.generator import Batch

_BATCH = 50_000
_STRIDE = 1_000_003


def rounds(senders: int, count: int, start_ms: int, span_ms: int, interval_ms: int) -> Iterator[Batch]:
    """So many rounds; each begins `interval_ms` after the one before it, and its records lie within `span_ms`."""
    stride = next(each for each in range(_STRIDE, 2 * _STRIDE) if math.gcd(each, senders) == 1)
    for number in range(count):
        for first in range(0, senders, _BATCH):
            place = np.arange(first, min(first + _BATCH, senders), dtype=np.int64)
            at_ms = start_ms + number * interval_ms + place * span_ms // senders
            yield verdicts(place * stride % senders, at_ms, Verdict.CLEAN, number * senders + first)


def main() -> None:
    """Fill one topic."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    for name in ("senders", "rounds", "start_ms", "span_ms", "interval_ms"):
        parser.add_argument(name, type=int)
    chosen = parser.parse_args()
    topic = TopicNames(chosen.prefix).verdicts
    batches = rounds(chosen.senders, chosen.rounds, chosen.start_ms, chosen.span_ms, chosen.interval_ms)
    write(chosen.bootstrap, topic, batches)


if __name__ == "__main__":
    main()
