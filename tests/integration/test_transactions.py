"""What a transaction does when the brokers were away in between: it ends, and the next one goes through."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from processor.kafka import clients, transactions
from processor.kafka.clients import ClientSettings
from processor.kafka.group import GroupMember
from processor.kafka.transactions import TransactionFailed, Transactions
from tests.brokers import Broker
from tests.members import Trusted
from tests.topics_io import make_topics, write_all
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


def _transactions(settings: ClientSettings, consumer: Consumer, slot: str | None = None) -> Transactions:
    return Transactions(settings, Trusted(consumer), slot=slot, group="members")


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
    running = _transactions(ClientSettings(own_kafka.bootstrap), consumer)
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
    running = _transactions(settings, consumer, slot="a")
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


def test_a_member_whose_session_is_over_commits_nothing_before_it_has_heard_so(
    own_kafka: Broker, member: tuple[Consumer, str]
) -> None:
    """Its client then names no member any more, and of nobody the broker does not ask whether he may commit."""
    consumer, topic = member
    running = _transactions(ClientSettings(own_kafka.bootstrap), consumer)
    running.run([], [TopicPartition(topic, 0, 1)])
    own_kafka.pause()
    wait_until(lambda: not consumer.memberid(), "the end of the session")
    own_kafka.resume()
    with pytest.raises(TransactionFailed, match="went on without this member"):
        running.run([], [TopicPartition(topic, 0, 2)])
    asker = clients.consumer(ClientSettings(own_kafka.bootstrap), group="members")

    def committed() -> int | None:
        with suppress(KafkaException):  # a broker that has just woken up may not be the group's coordinator yet
            return asker.committed([TopicPartition(topic, 0)], timeout=30)[0].offset
        return None

    assert wait_until(committed, "an answer of the coordinator", 30) == 1
    asker.close()
    _wait_for_partitions(consumer)
    running.run([], [TopicPartition(topic, 0, 3)])


class Heard:
    """An owner that remembers what the group says."""

    def __init__(self) -> None:
        self.said: list[tuple[str, list[int]]] = []

    def assigned(self, partitions: list[int]) -> dict[int, int]:
        self.said.append(("assigned", partitions))
        return dict.fromkeys(partitions, 0)

    def revoked(self, partitions: list[int]) -> None:
        self.said.append(("revoked", partitions))

    def lost(self, partitions: list[int]) -> None:
        self.said.append(("lost", partitions))


def test_who_goes_back_to_what_is_committed_still_hears_that_he_has_lost_his_partitions(own_kafka: Broker) -> None:
    """Else he would give them away in order, as a new member of the group, with a commit that the broker cannot refuse."""
    topic, heard = make_topics(own_kafka.bootstrap, "", partitions=1).verdicts, Heard()
    member = GroupMember(ClientSettings(own_kafka.bootstrap), topic, group="members", slot=None, owner=heard)
    member.join()

    def says(count: int) -> bool:
        member.polled(lambda: member.client.poll(0.2))
        return len(heard.said) >= count

    wait_until(lambda: says(1), "the partitions")
    own_kafka.pause()
    wait_until(lambda: not member.client.memberid(), "the end of the session")
    own_kafka.resume()
    member.rewind({0: 0})
    wait_until(lambda: says(2), "the loss")
    assert heard.said[:2] == [("assigned", [0]), ("lost", [0])]
    wait_until(lambda: says(3), "the partitions once more")
    member.leave()


def test_who_goes_back_reads_on_from_there_whatever_was_fetched_before(
    kafka: Broker, topic_prefix: str, unique: str
) -> None:
    topic, heard = make_topics(kafka.bootstrap, topic_prefix, partitions=1).verdicts, Heard()
    write_all(kafka.bootstrap, topic, [(b"key", b"%d" % number) for number in range(5_000)])
    member = GroupMember(ClientSettings(kafka.bootstrap), topic, group=unique, slot=None, owner=heard)
    member.join()

    def offsets(least: int) -> list[int]:
        found: list[int] = []

        def has_enough() -> bool:
            messages = member.polled(lambda: member.client.consume(100, 0.2))
            found.extend(message.offset() or 0 for message in messages if message.error() is None)
            return len(found) >= least

        wait_until(has_enough, f"{least} records")
        return found

    for start in (0, 3, 1_000, 7):
        if start:
            member.rewind({0: start})
        read = offsets(500)
        assert read == list(range(start, start + len(read)))
    member.leave()
