"""docs/subscribing.md with a schema registry."""

from pathlib import Path

import pytest

from processor.kafka.registry import Registry
from processor.kafka.serde import Serde
from tests.brokers import Broker
from tests.documented_subscriber import Subscriber
from tests.events_io import EventWriter, a_block, the_unblock
from tests.registry import RealRegistry
from tests.topics_io import make_topics
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(600)  # the first run fetches the registry


def test_the_documented_subscriber_reads_values_framed_by_a_registry(
    kafka: Broker, real_registry: RealRegistry, topic_prefix: str, unique: str, tmp_path: Path
) -> None:
    names = make_topics(kafka.bootstrap, topic_prefix)
    options = ("--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix, "--group", unique)
    subscriber = Subscriber(tmp_path, *options, "--schema-registry", real_registry.url)
    first, second = a_block(1), a_block(2, "bob@acme.example")
    with Registry(real_registry.url) as registry:
        writer = EventWriter(kafka.bootstrap, names, unique, Serde(registry))
        try:
            writer.publish(first)
            subscriber.start()
            wait_until(lambda: set(subscriber.table()) == {first.sender}, "the snapshot")
            writer.publish(second, the_unblock(first, 3))
            wait_until(lambda: set(subscriber.table()) == {second.sender}, "the events")
        finally:
            subscriber.kill()
