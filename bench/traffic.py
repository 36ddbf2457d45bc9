"""The verdicts of the benchmark: two ways in which mail spreads over senders, always the same for the same size.

`python -m bench.traffic` fills a topic with one of them, in a process of its own: see `bench.costs` for why.
"""

import argparse
from dataclasses import dataclass

from confluent_kafka import Producer

from processor import avro
from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.topics import TopicNames
from processor.verdicts.batches import RECORD
from processor.verdicts.generator import Traffic, generate

_END_MS = 1_767_225_600_000
"""2026-01-01 00:00 UTC: fixed, so that midnights and the day's rhythm fall where they fell before."""
_SEED = 1
_HOURS = 30.0


@dataclass(frozen=True, slots=True)
class Spread:
    """How mail spreads over senders; `skew` as `Traffic` has it."""

    name: str
    senders: int
    skew: float

    def traffic(self, records: int) -> Traffic:
        """So many records of it, over a time in which both windows pass and a midnight falls."""
        return Traffic(
            records=records,
            end_ms=_END_MS,
            seed=_SEED,
            senders=self.senders,
            tenants=200,
            skew=self.skew,
            compromised=20,
            hours=_HOURS,
        )


SPREADS = {
    spread.name: spread
    for spread in (Spread("skewed", senders=14_500, skew=0.9), Spread("even", senders=100_000, skew=0.0))
}


def fill(bootstrap: str, topics: TopicNames, spread: Spread, records: int) -> None:
    """Write the traffic into `message-verdicts`, compressed as a feeder does it."""
    producer = clients.producer(ClientSettings(bootstrap), extra={"linger.ms": 50})
    for batch in generate(spread.traffic(records), avro.single_object_prefix(RECORD)):
        for key, value in zip(batch.keys, batch.values, strict=True):
            _produce(producer, topics.verdicts, key, value)
        producer.poll(0)
    if producer.flush(120):
        raise TimeoutError(f"the broker did not take all records of {topics.verdicts}")


def _produce(producer: Producer, topic: str, key: bytes, value: bytes) -> None:
    while True:
        try:
            return producer.produce(topic, value, key)
        except BufferError:
            producer.poll(0.05)


def main() -> None:
    """Fill one topic."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    parser.add_argument("spread", choices=SPREADS)
    parser.add_argument("records", type=int)
    chosen = parser.parse_args()
    fill(chosen.bootstrap, TopicNames(chosen.prefix), SPREADS[chosen.spread], chosen.records)


if __name__ == "__main__":
    main()
