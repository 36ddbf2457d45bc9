"""The verdicts of the benchmark: ways in which mail spreads over senders, always the same for the same size.

`python -m bench.traffic` fills a topic with one of them, in a process of its own: see `bench.costs` for why.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace

from confluent_kafka import Producer

from bench.times import MIDNIGHT_MS
from processor import avro
from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.topics import TopicNames
from processor.verdicts.batches import RECORD
from processor.verdicts.generator import Batch, Traffic, generate

_SEED = 1
HOURS = 30.0


@dataclass(frozen=True, slots=True)
class Spread:
    """How mail spreads over senders; `skew` as `Traffic` has it."""

    name: str
    senders: int
    skew: float

    def traffic(self, records: int, hours: float = HOURS, end_ms: int = MIDNIGHT_MS) -> Traffic:
        """So many records of it; without other wishes over a time in which both windows pass and a midnight falls."""
        return Traffic(
            records=records,
            end_ms=end_ms,
            seed=_SEED,
            senders=self.senders,
            tenants=200,
            skew=self.skew,
            compromised=20,
            hours=hours,
        )


SPREADS = {
    spread.name: spread
    for spread in (
        Spread("skewed", senders=14_500, skew=0.9),
        Spread("even", senders=100_000, skew=0.0),
        Spread("million", senders=1_000_000, skew=0.0),
        Spread("vast", senders=5_000_000, skew=0.0),
        Spread("own", senders=14_500, skew=0.9),  # with what the caller wants otherwise
    )
}


def batches(traffic: Traffic) -> Iterable[Batch]:
    """The records as they are to stand in the topic."""
    return generate(traffic, avro.single_object_prefix(RECORD))


def write(bootstrap: str, topic: str, content: Iterable[Batch]) -> None:
    """Write records into a topic, compressed as a feeder does it."""
    producer = clients.producer(ClientSettings(bootstrap), extra={"linger.ms": 50})
    for batch in content:
        for key, value in zip(batch.keys, batch.values, strict=True):
            _produce(producer, topic, key, value)
        producer.poll(0)
    if producer.flush(120):
        raise TimeoutError(f"the broker did not take all records of {topic}")


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
    parser.add_argument("--hours", type=float, default=HOURS, help="of event time (default %(default)s)")
    parser.add_argument("--end-ms", type=int, default=MIDNIGHT_MS, help="when they end (default %(default)s)")
    wishes = [
        parser.add_argument(f"--{name}", type=kind, help="other than the spread's").dest
        for name, kind in (("senders", int), ("skew", float), ("tenants", int), ("compromised", int), ("seed", int))
    ]
    chosen = parser.parse_args()
    traffic = SPREADS[chosen.spread].traffic(chosen.records, chosen.hours, chosen.end_ms)
    traffic = replace(traffic, **{name: value for name in wishes if (value := getattr(chosen, name)) is not None})
    write(chosen.bootstrap, TopicNames(chosen.prefix).verdicts, batches(traffic))


if __name__ == "__main__":
    main()
