"""A topic that a client hears is not there, for a moment."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer, TopicPartition

from processor.kafka import clients
from processor.kafka.batched_runs import InBatches, run_source
from processor.kafka.clients import ClientSettings
from processor.kafka.runs import End, Run, RunSource
from tests.mocks import Mock, mock_of_brokers
from tests.waiting import wait_until

TOPIC = "there-and-not"
NO_ERROR, UNKNOWN_TOPIC, MAY_NOT_DESCRIBE = 0, 3, 29


@pytest.fixture
def mock() -> Iterator[Mock]:
    with mock_of_brokers(TOPIC, partitions=2) as mock:
        yield mock


def feed(mock: Mock, count: int) -> None:
    producer = Producer({"bootstrap.servers": mock.bootstrap})
    for number in range(count):
        producer.produce(TOPIC, str(number), partition=0)
    producer.flush(30)


def take(source: RunSource, found: list[int], most: int) -> set[int]:
    """Adds offsets of partition 0; says which partitions have ended."""
    taken = source.take(most, 0.1)
    for each in taken:
        if isinstance(each, Run):
            assert each.partition == 0
            found += each.offsets.tolist()
    return {each.partition for each in taken if isinstance(each, End)}


@pytest.mark.parametrize("in_batches", [False, True])
@pytest.mark.parametrize("error", [UNKNOWN_TOPIC, MAY_NOT_DESCRIBE])
def test_what_was_fetched_is_still_given_when_a_partition_that_went_is_no_longer_known(
    mock: Mock, in_batches: bool, error: int
) -> None:
    """The library emptied the queue of all when it let go of that one, and 1,994 records were never seen."""
    settings = ClientSettings(mock.bootstrap, consumer_properties={"topic.metadata.propagation.max.ms": "0"})
    client = clients.consumer(settings, group=None, partition_eof=True)
    source = run_source(client, TOPIC, lambda call: call(), in_batches=in_batches)
    assert isinstance(source, InBatches) == in_batches
    found: list[int] = []
    try:
        source.expect([0, 1])
        client.incremental_assign([TopicPartition(TOPIC, partition, 0) for partition in (0, 1)])
        wait_until(lambda: 1 in take(source, found, 10), "partition 1 has ended")
        client.incremental_unassign([TopicPartition(TOPIC, 1)])
        source.forget([1])
        feed(mock, 2_000)
        wait_until(lambda: not take(source, found, 5) and found, "the first records")
        _, high = client.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=10)
        assert found[-1] < high - 1_000
        for answer in (error, NO_ERROR):
            mock.answer(answer)
            client.list_topics(TOPIC, timeout=10)
            client.list_topics(TOPIC, timeout=10)  # by the same thread that carries out what the first answer tells
        wait_until(lambda: take(source, found, 500) is not None and found[-1] == high - 1, "the last record")
    finally:
        source.close()
        client.close()
    assert found == list(range(high))
