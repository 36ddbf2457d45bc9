"""The Kafka clients do what their makers promise, seen on a real broker."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.errors import BrokerUnreachable, RejectedProperty
from processor.kafka.topics import TopicNames
from tests.brokers import Broker
from tests.topics_io import make_topics, read_all, values, write_all
from tests.waiting import wait_until


@pytest.fixture
def settings(kafka: Broker) -> ClientSettings:
    return ClientSettings(kafka.bootstrap)


@pytest.fixture
def names(kafka: Broker, topic_prefix: str) -> TopicNames:
    return make_topics(kafka.bootstrap, topic_prefix)


@pytest.fixture
def opened() -> Iterator[list[Consumer]]:
    """Consumers that are closed at the end, also when the test fails."""
    consumers: list[Consumer] = []
    yield consumers
    for consumer in consumers:
        consumer.close()


def _next(consumer: Consumer) -> Message:
    return wait_until(lambda: consumer.poll(0.1), "a message or an error")


def test_a_key_goes_to_the_partition_that_java_would_take(
    kafka: Broker, settings: ClientSettings, names: TopicNames
) -> None:
    # Hashes from the table in Apache Kafka's own UtilsTest.testMurmur2; the partition is (hash & 0x7fffffff) % 3.
    hashes = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    write_all(kafka.bootstrap, names.verdicts, [(key, b"x") for key in hashes])
    taken = {message.key(): message.partition() for message in read_all(kafka.bootstrap, names.verdicts)}
    assert taken == {key: (value & 0x7FFFFFFF) % 3 for key, value in hashes.items()}


def test_nothing_is_committed_unasked(
    kafka: Broker, settings: ClientSettings, names: TopicNames, unique: str, opened: list[Consumer]
) -> None:
    write_all(kafka.bootstrap, names.verdicts, [(b"k", b"v")], partition=0)
    reader = clients.consumer(settings, group=unique)
    reader.assign([TopicPartition(names.verdicts, 0, 0)])
    assert _next(reader).value() == b"v"
    reader.close()
    other = clients.consumer(settings, group=unique)
    opened.append(other)
    (committed,) = other.committed([TopicPartition(names.verdicts, 0)], timeout=10)
    assert committed.offset < 0


def test_a_start_that_is_not_there_is_an_error_and_no_jump(
    settings: ClientSettings, names: TopicNames, opened: list[Consumer]
) -> None:
    reader = clients.consumer(settings, group=None)
    opened.append(reader)
    reader.assign([TopicPartition(names.verdicts, 0, 1000)])
    error = _next(reader).error()
    assert error is not None
    assert error.code() == KafkaError._AUTO_OFFSET_RESET


def test_what_was_aborted_is_hidden_unless_asked_for(
    kafka: Broker, settings: ClientSettings, names: TopicNames, unique: str
) -> None:
    writer = clients.transactional_producer(settings, transactional_id=unique)
    writer.init_transactions(30)
    for value, ended in ((b"kept", writer.commit_transaction), (b"aborted", writer.abort_transaction)):
        writer.begin_transaction()
        writer.produce(names.verdicts, value, b"k", 0)
        writer.flush(10)
        ended(30)
    assert values(read_all(kafka.bootstrap, names.verdicts)) == [b"kept"]
    assert values(read_all(kafka.bootstrap, names.verdicts, read_committed=False)) == [b"kept", b"aborted"]


def test_what_the_operator_sets_wins(kafka: Broker, names: TopicNames, unique: str, opened: list[Consumer]) -> None:
    own = ClientSettings(kafka.bootstrap, consumer_properties={"enable.partition.eof": "true"})
    reader = clients.consumer(own, group=unique, partition_eof=False)
    opened.append(reader)
    reader.assign([TopicPartition(names.verdicts, 0, 0)])
    end = wait_until(lambda: reader.poll(0.1), "the end of an empty partition")
    error = end.error()
    assert error is not None
    assert error.code() == KafkaError._PARTITION_EOF


@pytest.mark.parametrize("name", ["group.id", "transactional.id", "enable.auto.commit", "isolation.level"])
def test_a_property_that_the_guarantees_rest_on_is_refused_with_the_reason(name: str) -> None:
    own = ClientSettings("127.0.0.1:1", properties={name: "x"})
    with pytest.raises(RejectedProperty, match=name):
        clients.consumer(own, group="g")


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_slot_is_a_static_member_of_its_group(
    kafka: Broker, names: TopicNames, unique: str, opened: list[Consumer], protocol: str
) -> None:
    own = ClientSettings(kafka.bootstrap, group_protocol="consumer" if protocol == "consumer" else "classic")
    reader = clients.consumer(own, group=unique, slot="slot-7")
    opened.append(reader)
    reader.subscribe([names.verdicts])

    def assigned() -> bool:
        reader.poll(0.05)
        return len(reader.assignment()) == 3

    wait_until(assigned, "three partitions")
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})  # its answers need it alive
    (answer,) = admin.describe_consumer_groups([unique], request_timeout=10).values()
    assert [member.group_instance_id for member in answer.result().members] == ["slot-7"]


def test_a_property_that_does_not_exist_is_named() -> None:
    broken = ClientSettings("127.0.0.1:9092", properties={"no.such.property": "1"})
    for made in (
        lambda: clients.admin(broken),
        lambda: clients.producer(broken),
        lambda: clients.consumer(broken, group=None),
        lambda: clients.check_reachable(broken),
    ):
        with pytest.raises(RejectedProperty, match=r"no\.such\.property.*kafka\.properties"):
            made()


@pytest.mark.parametrize(
    "name", ["ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.crl.location"]
)
def test_a_file_that_is_not_there_is_named_with_its_property(name: str, tmp_path: Path) -> None:
    """The client's own word for it is "BIO lib"."""
    place = tmp_path / "nowhere.pem"
    broken = ClientSettings("127.0.0.1:9092", properties={"security.protocol": "SSL", name: str(place)})
    for made in (lambda: clients.consumer(broken, group=None), lambda: clients.check_reachable(broken)):
        with pytest.raises(RejectedProperty, match=rf"^{name}: cannot read {place}: No such file.*kafka\.properties"):
            made()


def test_a_file_that_is_there_and_is_none_is_told_as_the_client_does(tmp_path: Path) -> None:
    place = tmp_path / "ca.pem"
    place.write_text("nothing of a certificate")
    broken = ClientSettings("127.0.0.1:9092", properties={"security.protocol": "SSL", "ssl.ca.location": str(place)})
    with pytest.raises(RejectedProperty, match=r"ssl\.ca\.location failed.*no certificate"):
        clients.check_reachable(broken)


def test_a_broker_that_answers_is_reachable(settings: ClientSettings) -> None:
    clients.check_reachable(settings)


def test_a_broker_that_accepts_and_never_answers_is_not_waited_for_longer_than_asked(own_kafka: Broker) -> None:
    own_kafka.pause()
    started = time.monotonic()
    with pytest.raises(BrokerUnreachable, match=own_kafka.bootstrap):
        clients.check_reachable(ClientSettings(own_kafka.bootstrap), timeout_s=2)
    assert time.monotonic() - started < 4
