"""The brokers that all other integration tests rely on."""

from processor.kafka.topics import TopicNames
from tests.brokers import Broker, Cluster
from tests.topics_io import make_topics, read_all, values, write_all

RECORDS = [(b"key-%d" % n, b"value-%d" % n) for n in range(100)]


def _round_trip(bootstrap: str, names: TopicNames) -> None:
    write_all(bootstrap, names.verdicts, RECORDS)
    assert sorted(values(read_all(bootstrap, names.verdicts))) == sorted(value for _, value in RECORDS)


def test_what_is_written_is_read(kafka: Broker, topic_prefix: str) -> None:
    _round_trip(kafka.bootstrap, make_topics(kafka.bootstrap, topic_prefix))


def test_a_killed_broker_comes_back_with_its_data_at_its_address(own_kafka: Broker) -> None:
    names = make_topics(own_kafka.bootstrap, "")
    write_all(own_kafka.bootstrap, names.verdicts, RECORDS)
    own_kafka.sigkill()
    own_kafka.start()
    assert len(read_all(own_kafka.bootstrap, names.verdicts)) == len(RECORDS)


def test_a_frozen_broker_goes_on(own_kafka: Broker) -> None:
    names = make_topics(own_kafka.bootstrap, "")
    own_kafka.pause()
    own_kafka.resume()
    _round_trip(own_kafka.bootstrap, names)


def test_two_of_three_brokers_are_enough_to_write_and_read(cluster: Cluster) -> None:
    names = make_topics(cluster.bootstrap, "")
    cluster.brokers[0].sigkill()
    _round_trip(cluster.bootstrap, names)
