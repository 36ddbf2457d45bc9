"""Follows the changelog and adds up the bytes of its records, before they are trimmed, until it gets a SIGTERM.

`python -m bench.changelog_reader BOOTSTRAP PREFIX FILE` says "reading" once it reads. It counts the values of the records as they were
produced: without keys, which they have none of, framing and compression.
"""

import argparse
import json
from pathlib import Path

from confluent_kafka import TopicPartition

from processor.cli.signals import stop_on_signals
from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import partitions_of, place
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames

READING = "reading"


def main() -> None:
    """Write, for each partition, how many bytes were there when it had come to which verdict."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    parser.add_argument(
        "out", type=Path, metavar="FILE", help="gets a list of [next verdict, bytes] for each partition, as JSON"
    )
    chosen = parser.parse_args()
    settings, topics = ClientSettings(chosen.bootstrap), TopicNames(chosen.prefix)
    partitions = partitions_of(settings, topics.changelog)
    consumer = clients.consumer(settings, group=None)
    consumer.assign([TopicPartition(topics.changelog, partition, 0) for partition in partitions])
    serde = Serde(None)
    sizes = dict.fromkeys(partitions, 0)
    heads: dict[int, list[tuple[int, int]]] = {partition: [(0, 0)] for partition in partitions}
    print(READING, flush=True)
    with stop_on_signals() as should_stop:
        while not should_stop():
            message = consumer.poll(0.1)
            if message is None:
                continue
            if message.error() is not None:
                raise SystemExit(f"the changelog was trimmed before it was read, or worse: {message.error()}")
            value = message.value() or b""
            partition, _ = place(message)
            sizes[partition] += len(value)
            _, record = serde.decode(value)
            if record["head"] is not None:
                heads[partition].append((record["head"]["next_verdict"], sizes[partition]))
    chosen.out.write_text(json.dumps(heads))
    consumer.close()


if __name__ == "__main__":
    main()
