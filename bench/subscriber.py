"""A subscriber of the block events: notes when it could read each, with read_committed, until it gets a SIGTERM.

`python -m bench.subscriber BOOTSTRAP PREFIX FILE` says "reading" once it reads.
"""

import argparse
import json
import time
from pathlib import Path

from confluent_kafka import TopicPartition

from processor.cli.signals import stop_on_signals
from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import high_watermarks, partitions_of
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames

READING = "reading"
_WAIT_S = 0.1


def main() -> None:
    """Note the time of each block by the event id of its trigger."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    parser.add_argument("out", type=Path, metavar="FILE", help="gets the times, as JSON")
    chosen = parser.parse_args()
    settings, topic = ClientSettings(chosen.bootstrap), TopicNames(chosen.prefix).restrictions
    partitions = partitions_of(settings, topic)
    ends = high_watermarks(settings, topic, partitions)
    consumer = clients.consumer(settings, group=None)
    consumer.assign([TopicPartition(topic, partition, end) for partition, end in ends.items()])
    serde = Serde(None)
    readable_ns: dict[str, int] = {}
    print(READING, flush=True)
    with stop_on_signals() as should_stop:
        while not should_stop():
            message = consumer.poll(_WAIT_S)
            if message is None or message.error() is not None:
                continue
            now_ns = time.monotonic_ns()
            name, record = serde.decode(message.value())
            if name == "SenderBlocked" and record["trigger"] is not None:
                readable_ns[record["trigger"]["event_id"]] = now_ns
    chosen.out.write_text(json.dumps({"readable_ns": readable_ns}))
    consumer.close()


if __name__ == "__main__":
    main()
