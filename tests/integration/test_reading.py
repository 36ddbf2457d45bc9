"""Reading to a pinned end on a real broker: control records, aborted and open transactions, retention."""

import threading
from collections.abc import Callable

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.reading import (
    ReadingStopped,
    RecordsGone,
    UnknownTopic,
    first_offsets,
    high_watermarks,
    last_stable_offsets,
    partitions_of,
    read_to_end,
)
from tests.brokers import Broker
from tests.waiting import wait_until


@pytest.fixture
def settings(kafka: Broker) -> ClientSettings:
    return ClientSettings(kafka.bootstrap)


@pytest.fixture
def topic(settings: ClientSettings, unique: str) -> str:
    """A topic of two partitions."""
    admin = clients.admin(settings)
    admin.create_topics([NewTopic(unique, 2)])[unique].result(30)
    wait_until(lambda: unique in admin.list_topics(timeout=10).topics, "the new topic")
    return unique


@pytest.fixture
def begin(settings: ClientSettings, topic: str, unique: str) -> Callable[..., Producer]:
    """Begins a transaction with some records in partition 0; whoever called ends it."""
    producers: list[Producer] = []

    def begun(*values: str) -> Producer:
        producer = clients.transactional_producer(settings, transactional_id=f"{unique}-{len(producers)}")
        producers.append(producer)
        producer.init_transactions(30)
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, value.encode(), partition=0)
        assert producer.flush(30) == 0
        return producer

    return begun


def write(settings: ClientSettings, topic: str, *values: str, partition: int = 0) -> None:
    producer = clients.producer(settings)
    for value in values:
        producer.produce(topic, value.encode(), partition=partition)
    assert producer.flush(30) == 0


def read(settings: ClientSettings, topic: str, start: int = 0, *, read_committed: bool = True) -> list[str]:
    messages = read_to_end(settings, topic, [0], {0: start}, read_committed=read_committed)
    return [(message.value() or b"").decode() for message in messages]


def test_an_empty_partition_is_read_at_once(settings: ClientSettings, topic: str) -> None:
    assert read(settings, topic) == []


def test_records_come_in_order_and_each_partition_from_its_start(settings: ClientSettings, topic: str) -> None:
    write(settings, topic, *(f"a{n}" for n in range(50)), partition=0)
    write(settings, topic, *(f"b{n}" for n in range(50)), partition=1)
    messages = list(read_to_end(settings, topic, [0, 1], {0: 40}))
    values = [(message.value() or b"").decode() for message in messages]
    assert [value for value in values if value[0] == "a"] == [f"a{n}" for n in range(40, 50)]
    assert [value for value in values if value[0] == "b"] == [f"b{n}" for n in range(50)]


def test_more_than_one_batch_is_read_whole(settings: ClientSettings, topic: str) -> None:
    write(settings, topic, *map(str, range(25_000)))
    assert read(settings, topic) == [str(n) for n in range(25_000)]


def test_a_control_record_at_the_end_does_not_hold_the_reader(
    settings: ClientSettings, topic: str, begin: Callable[..., Producer]
) -> None:
    begin("a", "b").commit_transaction(30)
    wait_until(lambda: high_watermarks(settings, topic, [0]) == {0: 3}, "the marker of the commit")
    assert read(settings, topic) == ["a", "b"]
    assert read(settings, topic, 2) == []


def test_aborted_records_are_passed_over_also_at_the_very_end(
    settings: ClientSettings, topic: str, begin: Callable[..., Producer]
) -> None:
    begin("a").commit_transaction(30)
    begin("x", "y").abort_transaction(30)
    wait_until(lambda: last_stable_offsets(settings, topic, [0]) == {0: 5}, "the marker of the abort")
    assert read(settings, topic) == ["a"]
    assert read(settings, topic, 2) == []
    assert read(settings, topic, read_committed=False) == ["a", "x", "y"]


def test_what_comes_after_the_ends_were_pinned_is_not_read(settings: ClientSettings, topic: str) -> None:
    write(settings, topic, "a", "b")
    reading = read_to_end(settings, topic, [0], {})
    write(settings, topic, "c", "d")
    assert [message.value() for message in reading] == [b"a", b"b"]


def test_ends_that_were_pinned_before_count(settings: ClientSettings, topic: str) -> None:
    write(settings, topic, "a", "b", "c")
    assert [message.value() for message in read_to_end(settings, topic, [0], {}, ends={0: 2})] == [b"a", b"b"]


@pytest.mark.parametrize("commits", [True, False])
def test_an_open_transaction_below_the_mark_is_waited_for(
    settings: ClientSettings, topic: str, begin: Callable[..., Producer], *, commits: bool
) -> None:
    """Its outcome decides what a restore sees, and so do the records after it."""
    write(settings, topic, "before")
    open_one = begin("x", "y")
    write(settings, topic, "after")
    assert last_stable_offsets(settings, topic, [0]) == {0: 1}
    rounds = 0

    def count_rounds() -> bool:
        nonlocal rounds
        rounds += 1
        return False

    read_values: list[bytes | None] = []
    reading = read_to_end(settings, topic, [0], {}, should_stop=count_rounds)
    thread = threading.Thread(target=lambda: read_values.extend(message.value() for message in reading))
    thread.start()
    wait_until(lambda: read_values, "the record before the open transaction")
    seen = rounds
    wait_until(lambda: rounds > seen + 20, "the reader to go on waiting")
    assert read_values == [b"before"]
    if commits:
        open_one.commit_transaction(30)
    else:
        open_one.abort_transaction(30)
    thread.join(30)
    assert read_values == ([b"before", b"x", b"y", b"after"] if commits else [b"before", b"after"])


def test_a_stop_ends_the_wait_for_an_open_transaction(
    settings: ClientSettings, topic: str, begin: Callable[..., Producer]
) -> None:
    open_one = begin("x")
    asked = 0

    def stop_later() -> bool:
        nonlocal asked
        asked += 1
        return asked > 10

    with pytest.raises(ReadingStopped):
        list(read_to_end(settings, topic, [0], {}, should_stop=stop_later))
    open_one.abort_transaction(30)


def test_what_retention_took_is_an_error_and_not_a_shorter_answer(settings: ClientSettings, topic: str) -> None:
    write(settings, topic, "a", "b", "c")
    admin = clients.admin(settings)
    (deleted,) = admin.delete_records([TopicPartition(topic, 0, 2)]).values()
    deleted.result(30)
    assert first_offsets(settings, topic, [0]) == {0: 2}
    with pytest.raises(RecordsGone, match=f"{topic}, partition 0"):
        read(settings, topic, 0)
    assert [message.value() for message in read_to_end(settings, topic, [0], {})] == [b"c"]


def test_a_topic_that_is_not_there_is_said_and_not_made(settings: ClientSettings, topic: str) -> None:
    absent = f"{topic}-not-there"
    with pytest.raises(UnknownTopic, match="topics create"):
        read_to_end(settings, absent, [0], {})
    with pytest.raises(UnknownTopic, match=topic):
        read_to_end(settings, topic, [0, 7], {})
    with pytest.raises(UnknownTopic, match=absent):
        partitions_of(settings, absent)
    assert absent not in clients.admin(settings).list_topics(timeout=10).topics


def test_partitions_are_told_in_order(settings: ClientSettings, topic: str) -> None:
    assert partitions_of(settings, topic) == [0, 1]


def test_no_broker_is_said_with_its_setting() -> None:
    with pytest.raises(BrokerUnreachable, match=r"kafka\.bootstrap_servers"):
        high_watermarks(ClientSettings("127.0.0.1:1"), "any", [0], timeout_s=1)
