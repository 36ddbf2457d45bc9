"""The ceiling: a process that consumes a topic with the worker's own client properties and does nothing with it."""

import argparse

from confluent_kafka import TopicPartition

from processor.kafka import clients
from processor.kafka.clients import ClientSettings

_BATCH = 10_000
_WAIT_S = 0.1


def consume_all(bootstrap: str, topic: str) -> int:
    """Touch the value of every record that is there now; returns how many those were."""
    consumer = clients.consumer(ClientSettings(bootstrap), group=None)
    places = [TopicPartition(topic, partition) for partition in consumer.list_topics(topic).topics[topic].partitions]
    bounds = {place.partition: consumer.get_watermark_offsets(place, timeout=30) for place in places}
    consumer.assign([TopicPartition(topic, partition, first) for partition, (first, _) in bounds.items()])
    expected = sum(end - first for first, end in bounds.values())
    read = 0
    while read < expected:
        messages = consumer.consume(_BATCH, _WAIT_S)
        for message in messages:
            message.value()
        read += len(messages)
    read_up_to = {place.partition: place.offset for place in consumer.position(places)}
    if expected and read_up_to != {partition: end for partition, (_, end) in bounds.items()}:
        raise RuntimeError(f"read up to {read_up_to}, but the topic reaches from and to {bounds}")
    consumer.close()
    return read


def main() -> None:
    """Consume one topic to its end."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    chosen = parser.parse_args()
    print(consume_all(chosen.bootstrap, chosen.topic))


if __name__ == "__main__":
    main()
