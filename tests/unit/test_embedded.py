"""What the demo relies on of the embedded broker."""

import socket
import time
from collections.abc import Iterator

import pytest

from processor.kafka.clients import ClientSettings, check_reachable
from processor.kafka.embedded import CONSUMER_PROPERTIES, EmbeddedBroker
from processor.kafka.feeder import Feeder
from processor.kafka.reading import first_offsets, partitions_of, read_to_end
from processor.kafka.topics import TopicNames, TopicShape, designed_topics

NAMES = TopicNames()


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def settings(broker: EmbeddedBroker) -> ClientSettings:
    return ClientSettings(broker.bootstrap_servers, consumer_properties=CONSUMER_PROPERTIES)


def test_every_topic_is_there_with_as_many_partitions(broker: EmbeddedBroker, settings: ClientSettings) -> None:
    check_reachable(settings)
    broker.make_topics(NAMES)
    topics = [design.name for design in designed_topics(NAMES, TopicShape())]
    assert {len(partitions_of(settings, topic)) for topic in topics} == {4}


def test_it_listens_on_this_machine_alone_and_no_longer_than_it_is_open() -> None:
    with EmbeddedBroker() as broker:
        host, port = broker.bootstrap_servers.split(":")
        assert host == "127.0.0.1"
        socket.create_connection((host, int(port)), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_what_is_fed_in_a_transaction_is_read_back(broker: EmbeddedBroker, settings: ClientSettings) -> None:
    broker.make_topics(NAMES)
    feeder = Feeder(settings, NAMES.verdicts)
    keys = [f"sender{number}".encode() for number in range(1000)]
    feeder.send(keys, keys)
    feeder.close()
    read = [message.value() for message in read_to_end(settings, NAMES.verdicts, range(4), {})]
    assert sorted(map(bytes, filter(None, read))) == sorted(keys)


def test_no_question_for_offsets_waits_for_a_timer_of_the_client(
    broker: EmbeddedBroker, settings: ClientSettings
) -> None:
    broker.make_topics(NAMES)
    began_s = time.monotonic()
    for _ in range(80):  # one in ten took a second or three
        first_offsets(settings, NAMES.verdicts, [0])
    assert time.monotonic() - began_s < 8
