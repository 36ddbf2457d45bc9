"""Transactions that lose their answer, on a real broker: what was sent is there once, whatever became of the commit."""

import random
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.kafka.clients import ClientSettings, transactional_producer
from processor.kafka.feeder import BrokerLost, Feeder, FeedRefused, Unclear
from tests.brokers import Broker
from tests.topics_io import make_topics, read_all, values

KEYS = [b"ann@a.test", b"bob@b.test", b"cy@c.test"]
VALUES = [b"one", b"two", b"three"]


@pytest.fixture
def topic(kafka: Broker, topic_prefix: str) -> str:
    return make_topics(kafka.bootstrap, topic_prefix).verdicts


@pytest.fixture
def feeder(kafka: Broker, topic: str) -> Iterator[Feeder]:
    feeder = Feeder(ClientSettings(kafka.bootstrap), topic)
    yield feeder
    feeder.close()


def _committed(kafka: Broker, topic: str) -> list[bytes]:
    return sorted(values(read_all(kafka.bootstrap, topic)))


class LostAnswer:
    """A producer whose next commit is carried out, or never asked for, and then fails."""

    def __init__(self, producer: Producer, *, is_carried_out: bool) -> None:
        self._producer = producer
        self._is_carried_out = is_carried_out

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def __len__(self) -> int:
        return len(self._producer)

    def commit_transaction(self, timeout_s: float) -> None:
        if self._is_carried_out:
            self._producer.commit_transaction(timeout_s)
        raise KafkaException(KafkaError(KafkaError._TRANSPORT, "the answer was lost"))


def test_a_transaction_is_there_once_it_was_sent(kafka: Broker, topic: str, feeder: Feeder) -> None:
    feeder.send(KEYS, VALUES)
    feeder.send(KEYS[:1], [b"four"])
    feeder.send([], [])
    assert _committed(kafka, topic) == sorted([*VALUES, b"four"])


@pytest.mark.parametrize("is_carried_out", [True, False])
def test_a_commit_whose_answer_is_lost_is_looked_up_and_the_records_are_there_once(
    kafka: Broker, topic: str, feeder: Feeder, is_carried_out: bool
) -> None:
    feeder.send(KEYS[:1], [b"before"])
    feeder._producer = LostAnswer(feeder._producer, is_carried_out=is_carried_out)  # type: ignore[assignment]
    feeder.send(KEYS, VALUES)
    feeder.send(KEYS[:1], [b"after"])
    assert _committed(kafka, topic) == sorted([b"before", *VALUES, b"after"])


def test_looking_up_is_not_led_astray_by_what_others_write(kafka: Broker, topic: str, feeder: Feeder) -> None:
    others = Feeder(ClientSettings(kafka.bootstrap), topic)
    for is_carried_out in (True, False):
        feeder._producer = LostAnswer(feeder._producer, is_carried_out=is_carried_out)  # type: ignore[assignment]
        others.send(KEYS, [b"other"] * 3)
        feeder.send(KEYS, VALUES)
        others.send(KEYS, [b"other"] * 3)
    others.close()
    assert _committed(kafka, topic) == sorted([*VALUES * 2, *[b"other"] * 12])


def _open_transaction(kafka: Broker, topic: str, transactional_id: str, value: bytes) -> tuple[Producer, Unclear]:
    """A transaction with one record, written and not committed."""
    reports: list[Message] = []
    producer = transactional_producer(ClientSettings(kafka.bootstrap), transactional_id=transactional_id)
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, value, b"ann@a.test", on_delivery=lambda _, message: reports.append(message))
    assert producer.flush(20) == 0
    partition, offset = reports[0].partition(), reports[0].offset()
    assert partition is not None
    assert offset is not None
    return producer, Unclear(transactional_id, partition, offset, zlib.crc32(value))


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_later_process_settles_what_an_earlier_one_left_unclear(
    kafka: Broker, topic: str, unique: str, is_committed: bool
) -> None:
    producer, unclear = _open_transaction(kafka, topic, unique, b"in doubt")
    if is_committed:
        producer.commit_transaction(20)
    later = Feeder(ClientSettings(kafka.bootstrap), topic, transactional_id=unique)
    assert later.settle(Unclear.parse(str(unclear))) is is_committed
    later.close()
    assert _committed(kafka, topic) == ([b"in doubt"] if is_committed else [])


def test_another_record_at_the_same_place_is_not_taken_for_ours(kafka: Broker, topic: str, unique: str) -> None:
    producer, unclear = _open_transaction(kafka, topic, unique, b"in doubt")
    producer.commit_transaction(20)
    later = Feeder(ClientSettings(kafka.bootstrap), topic, transactional_id=unique)
    other = Unclear(unique, unclear.partition, unclear.offset, unclear.checksum ^ 1)
    assert later.settle(other) is False
    beyond = Unclear(unique, unclear.partition, unclear.offset + 1_000, unclear.checksum)
    assert later.settle(beyond) is False, "a record that the cluster lost"
    later.close()


def test_only_its_own_transactional_id_can_settle(feeder: Feeder) -> None:
    with pytest.raises(ValueError, match=r"same transactional\.id"):
        feeder.settle(Unclear("someone else", 0, 0, 0))


def test_a_transaction_larger_than_the_producers_queue_goes_in_whole(kafka: Broker, topic: str) -> None:
    small = ClientSettings(kafka.bootstrap, producer_properties={"queue.buffering.max.messages": "10"})
    feeder = Feeder(small, topic)
    feeder.send([b"ann@a.test"] * 55, [str(i).encode() for i in range(55)])
    feeder.close()
    assert _committed(kafka, topic) == sorted(str(i).encode() for i in range(55))


def test_a_missing_topic_is_told_with_the_remedy(kafka: Broker) -> None:
    with pytest.raises(FeedRefused, match="senderwatch topics create"):
        Feeder(ClientSettings(kafka.bootstrap), "no-such-topic")


def test_a_record_that_the_broker_will_never_take_is_told_and_nothing_is_in(
    kafka: Broker, topic: str, feeder: Feeder
) -> None:
    with pytest.raises(FeedRefused, match="too large"):
        feeder.send([b"a", b"b"], [b"small", random.Random(1).randbytes(2_000_000)])
    assert _committed(kafka, topic) == []


def test_patience_ends_when_the_operator_wants_to_stop(own_kafka: Broker, topic_prefix: str) -> None:
    topic = make_topics(own_kafka.bootstrap, topic_prefix).verdicts
    feeder = Feeder(ClientSettings(own_kafka.bootstrap), topic, patience_s=3600, should_stop=lambda: True)
    own_kafka.sigkill()
    with pytest.raises(BrokerLost) as lost:
        feeder.send(KEYS, VALUES)
    assert lost.value.unclear is None, "no commit was asked for"
    feeder.close()
