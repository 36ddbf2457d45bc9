"""The mock of brokers that the client itself brings along: for what a real one cannot be made to say, or not soon."""

import ctypes
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, cimpl

from processor.kafka import librdkafka


@dataclass
class Mock:
    """One broker with one topic."""

    bootstrap: str
    answer: Callable[[int], None]
    """To whoever asks for the topic, by the error's number."""


@contextmanager
def mock_of_brokers(topic: str, *, partitions: int) -> Iterator[Mock]:
    library = ctypes.CDLL(cimpl.__file__)
    library.rd_kafka_handle_mock_cluster.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    properties = {"bootstrap.servers": "none", "test.mock.num.brokers": 1, "group.id": "none"}
    host = Consumer(properties, logger=logging.getLogger("mock"))
    address = librdkafka.address_of(host)
    cluster = ctypes.c_void_p(library.rd_kafka_handle_mock_cluster(ctypes.c_void_p(address)))
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 100)
    name = topic.encode()
    assert library.rd_kafka_mock_topic_create(cluster, name, partitions, 1) == 0
    bootstrap = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
    try:
        yield Mock(bootstrap, lambda error: library.rd_kafka_mock_topic_set_error(cluster, name, error))
    finally:
        host.close()
