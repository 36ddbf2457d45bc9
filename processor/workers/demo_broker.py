"""Where a demo runs: on the embedded broker, or on a real one with topics of its own."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from processor.kafka.embedded import CONSUMER_PROPERTIES, EmbeddedBroker
from processor.kafka.topic_creation import create
from processor.kafka.topic_deletion import delete
from processor.kafka.topics import TopicNames
from processor.settings import KafkaSettings, Settings, TopicSettings
from processor.workers.wiring import client_settings, group_name, topic_names, topic_shape

_log = structlog.get_logger(__name__)

PARTITIONS = 4
"""Of every topic: as many as the embedded broker gives, so that both demos are alike."""


class DemoFailed(Exception):
    """The demo cannot go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Settings of a Kafka that is ready, topics made; and in words where it is."""

    settings: Settings
    words: str


@contextmanager
def embedded() -> Iterator[Place]:
    """A broker that lives as long as the context does."""
    with EmbeddedBroker() as broker:
        broker.make_topics(TopicNames())
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, consumer_properties=CONSUMER_PROPERTIES)
        yield Place(Settings(kafka=kafka), f"embedded broker, {broker.bootstrap_servers}")


@contextmanager
def real(given: Settings, *, keep_topics: bool) -> Iterator[Place]:
    """A broker that runs already. The demo's own topics and groups on it are deleted at the end unless `keep_topics`.

    Raises BrokerUnreachable, DemoFailed.
    """
    prefix = f"{given.topics.prefix}demo-{uuid.uuid4().hex[:8]}-"
    settings = Settings(
        kafka=given.kafka,
        schema_registry=given.schema_registry,
        topics=TopicSettings(
            prefix=prefix, partitions=PARTITIONS, out_partitions=PARTITIONS, replication=given.topics.replication
        ),
    )
    kafka, names, shape = client_settings(settings), topic_names(settings), topic_shape(settings)
    reports = create(kafka, names, shape)
    try:
        failed = [report for report in reports if not report.good]
        if failed:
            raise DemoFailed(f"cannot make topic {failed[0].design.name}: {failed[0].problem}")
        yield Place(settings, f"{settings.kafka.bootstrap_servers}, topics {prefix}*")
    finally:
        if not keep_topics:
            groups = [group_name(settings, group) for group in (settings.detector.group, settings.notifier.group)]
            for problem in delete(kafka, [report.design.name for report in reports], groups):
                _log.warning("left on the broker: delete it by hand", reason=problem)
