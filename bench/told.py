"""Block events of so many tenants, an account each, as a detector publishes them: each becomes a mail of its own.

`python -m bench.told BOOTSTRAP PREFIX EVENTS` writes them.
"""

import argparse
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np

from bench.times import HOUR_MS
from bench.traffic import write
from processor.kafka.publishing import event_records
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.restrictions.events import Cause, Evidence, Position, SenderBlocked, Trigger, WindowCounters
from processor.verdicts.generator import Batch

_BATCH = 5_000


def blocks(topics: TopicNames, count: int, now_ms: int) -> Iterator[SenderBlocked]:
    """A block of one account of each of so many tenants."""
    counters = WindowCounters(messages=40, spam_messages=11, internal_recipients=3, external_recipients=400)
    for number in range(count):
        tenant = f"tenant{number}.test"
        yield SenderBlocked(
            tenant_id=tenant,
            sender=f"someone@{tenant}",
            cause=Cause.LIMIT,
            blocked_at_ms=now_ms,
            blocked_until_ms=now_ms + 12 * HOUR_MS,
            action="block_until_tomorrow",
            previous_blocks=0,
            position=Position(topics.verdicts, number % 4, number),
            evidence=Evidence(
                policy="default",
                policy_version="1",
                limit_name="spam_messages_per_hour",
                limit=10.0,
                observed=11.0,
                window_start_ms=now_ms - HOUR_MS,
                window_end_ms=now_ms,
                hour=counters,
                day=counters,
                trigger=Trigger(f"event{number}", f"<{number}@{tenant}>", "203.0.113.1", "HIGH_CONFIDENCE_SPAM"),
            ),
        )


def _batches(topics: TopicNames, events: Iterator[SenderBlocked]) -> Iterator[Batch]:
    serde = Serde(None)
    while some := list(islice(events, _BATCH)):
        records = [next(iter(event_records(serde, topics, event))) for event in some]
        yield Batch(
            [event.tenant_id.encode() for event in some],
            [record.value or b"" for record in records],
            np.array([event.blocked_at_ms for event in some], np.int64),
        )


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    parser.add_argument("events", type=int)
    chosen = parser.parse_args()
    topics = TopicNames(chosen.prefix)
    events = blocks(topics, chosen.events, time.time_ns() // 1_000_000)
    write(chosen.bootstrap, topics.restrictions, _batches(topics, events))


if __name__ == "__main__":
    main()
