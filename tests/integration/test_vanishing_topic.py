"""A topic that a client hears is not there, for a moment: told by the mock of brokers that the client itself brings along."""

import ctypes
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition, cimpl

from processor.kafka import clients, librdkafka
from processor.kafka.batched_runs import InBatches, run_source
from processor.kafka.clients import ClientSettings
from processor.kafka.runs import End, Run, RunSource
from tests.waiting import wait_until

TOPIC = "there-and-not"
NO_ERROR, UNKNOWN_TOPIC, MAY_NOT_DESCRIBE = 0, 3, 29


@dataclass
class Mock:
    """One broker with one topic of two partitions."""

    bootstrap: str
    answer: Callable[[int], None]
    """To whoever asks for the topic, by the error's number."""

    def feed(self, count: int) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for number in range(count):
            producer.produce(TOPIC, str(number), partition=0)
        producer.flush(30)


@pytest.fixture
def mock() -> Iterator[Mock]:
    library = ctypes.CDLL(cimpl.__file__)
    library.rd_kafka_handle_mock_cluster.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    properties = {"bootstrap.servers": "none", "test.mock.num.brokers": 1, "group.id": "none"}
    host = Consumer(properties, logger=logging.getLogger("mock"))
    cluster = ctypes.c_void_p(library.rd_kafka_handle_mock_cluster(ctypes.c_void_p(librdkafka.address_of(host))))
    name = TOPIC.encode()
    assert library.rd_kafka_mock_topic_create(cluster, name, 2, 1) == 0
    bootstrap = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
    yield Mock(bootstrap, lambda error: library.rd_kafka_mock_topic_set_error(cluster, name, error))
    host.close()


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
        mock.feed(2_000)
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
