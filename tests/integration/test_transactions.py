"""What a transaction does when the brokers were away in between: it ends, and the next one goes through."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition

from processor.kafka import clients, transactions
from processor.kafka.clients import ClientSettings
from processor.kafka.transactions import TransactionFailed, Transactions
from tests.brokers import Broker
from tests.topics_io import make_topics
from tests.waiting import wait_until

REBOOTSTRAP = {"metadata.recovery.strategy": "rebootstrap"}
"""The client's own default, with which a coordinator can be forgotten for ever."""


@pytest.fixture
def member(own_kafka: Broker) -> Iterator[tuple[Consumer, str]]:
    """A consumer that has a partition of the topic, whose name is the second."""
    topic = make_topics(own_kafka.bootstrap, "").verdicts
    consumer = clients.consumer(ClientSettings(own_kafka.bootstrap), group="members")
    consumer.subscribe([topic])
    _wait_for_partitions(consumer)
    yield consumer, topic
    consumer.close()


def _wait_for_partitions(consumer: Consumer) -> None:
    wait_until(lambda: consumer.poll(0.2) is None and bool(consumer.assignment()), "the partitions")


def _restarted(own_kafka: Broker, consumer: Consumer) -> None:
    own_kafka.stop()
    # The session of six seconds ends, and with it what the group gave.
    wait_until(lambda: consumer.poll(0.2) is None and not consumer.assignment(), "the end of the session")
    own_kafka.start()
    _wait_for_partitions(consumer)


def test_offsets_go_through_after_all_brokers_were_away(own_kafka: Broker, member: tuple[Consumer, str]) -> None:
    consumer, topic = member
    running = Transactions(ClientSettings(own_kafka.bootstrap), consumer, slot=None, group="members")
    running.run([], [TopicPartition(topic, 0, 1)])
    _restarted(own_kafka, consumer)
    running.run([], [TopicPartition(topic, 0, 2)])
    assert consumer.committed([TopicPartition(topic, 0)])[0].offset == 2


def test_a_call_of_the_client_that_never_ends_is_given_up(
    own_kafka: Broker, member: tuple[Consumer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "_CALL_TIMEOUT_S", 4.0)
    monkeypatch.setattr(transactions, "_GIVEN_UP_S", 5.0)
    consumer, topic = member
    settings = ClientSettings(own_kafka.bootstrap, producer_properties=REBOOTSTRAP)
    running = Transactions(settings, consumer, slot="a", group="members")
    running.run([], [TopicPartition(topic, 0, 1)])
    _restarted(own_kafka, consumer)
    with pytest.raises(TransactionFailed, match="the client does not answer"):
        running.run([], [TopicPartition(topic, 0, 2)])
    wait_until(lambda: _goes_through(running, TopicPartition(topic, 0, 3)), "the next transaction")
    assert consumer.committed([TopicPartition(topic, 0)])[0].offset == 3


def _goes_through(running: Transactions, offset: TopicPartition) -> bool:
    try:
        running.run([], [offset])
    except TransactionFailed:
        return False
    return True
