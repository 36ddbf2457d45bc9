"""A copy of an installation's topics on another broker, byte for byte, in which somebody may have changed something."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import NewTopic

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.topics import TopicNames
from tests.topics_io import read_all


@dataclass(frozen=True, slots=True)
class Copied:
    """A record on its way into the copy."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: list[tuple[str, str | bytes | None]]


Change = Callable[[list[Copied]], list[Copied]]


def copy(bootstrap: str, target: str, topics: TopicNames, group: str, change: Change = lambda records: records) -> None:
    """All that an audit reads, and the group's offsets. Offsets stay where no control records stand, as among verdicts."""
    names = [
        topics.verdicts,
        topics.journal,
        topics.commands,
        topics.support_commands,
        topics.restrictions,
        topics.policies,
    ]
    source, sink = clients.admin(ClientSettings(bootstrap)), clients.admin(ClientSettings(target))
    counts = {name: len(source.list_topics(name, timeout=30).topics[name].partitions) for name in names}
    # Timestamps are the writer's: the copy keeps those of the original.
    limits = {"max.message.bytes": "16777216"}
    for answer in sink.create_topics([NewTopic(name, counts[name], 1, config=limits) for name in names]).values():
        answer.result(30)
    writer = clients.producer(ClientSettings(target))
    for record in change([each for name in names for each in _records(bootstrap, name)]):
        writer.produce(
            record.topic,
            record.value,
            record.key,
            record.partition,
            timestamp=record.timestamp_ms,
            headers=record.headers,
        )
    assert writer.flush(30) == 0
    places = [TopicPartition(topics.verdicts, partition) for partition in range(counts[topics.verdicts])]
    asked = source.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])[group].result(30)
    answers = sink.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, asked.topic_partitions)])
    answers[group].result(30)


def _records(bootstrap: str, topic: str) -> list[Copied]:
    return [
        Copied(
            topic,
            cast("int", message.partition()),
            message.key(),
            message.value(),
            message.timestamp()[1],
            cast("list[tuple[str, str | bytes | None]]", message.headers() or []),
        )
        for message in read_all(bootstrap, topic)
    ]
