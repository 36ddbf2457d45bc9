"""Groups by KIP-848: a partition that the group has given on while it was being restored is not committed any more."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest
from confluent_kafka import KafkaException

from processor.kafka.clients import ClientSettings, admin
from processor.kafka.group import GroupMember
from processor.kafka.ownership import owned
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import Offset, TransactionFailed, Transactions
from tests.brokers import Broker
from tests.topics_io import make_topics
from tests.waiting import wait_until

GROUP = "members"


class Worker:
    """A member of the group that goes on from what is committed, and takes as long to restore as it is let."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._topic = topic
        settings = ClientSettings(broker.bootstrap, group_protocol="consumer")
        self.may_go_on = threading.Event()
        self.is_restoring = threading.Event()
        self.owned: dict[int, int] = {}
        self.last_words: dict[int, int] = {}
        """Offsets that it commits when their partitions go, as a detector does; those that went through are in `last_heard`."""
        self.last_heard: dict[int, int] = {}
        self.member = GroupMember(settings, topic, group=GROUP, slot=None, owner=self)
        self.transactions = Transactions(settings, self.member, slot=None, group=GROUP)
        self.admin = admin(settings)
        self.member.join()

    def assigned(self, partitions: list[int]) -> dict[int, int]:
        committed = self.member.committed(partitions)
        self.is_restoring.set()
        assert self.may_go_on.wait(60)
        self.owned |= {each.partition: max(0, each.offset) for each in committed}
        return {each: self.owned[each] for each in partitions}

    def revoked(self, partitions: list[int]) -> None:
        for each in partitions:
            if each in self.last_words:
                with suppress(TransactionFailed):
                    self.commit(each, self.last_words[each])
                    self.last_heard[each] = self.last_words[each]
            self.owned.pop(each, None)

    def lost(self, partitions: list[int]) -> None:
        self.revoked(partitions)

    def poll(self) -> None:
        self.member.polled(lambda: self.member.client.poll(0.1))

    def commit(self, partition: int, offset: int) -> None:
        """Raises TransactionFailed."""
        self.transactions.run([], [Offset(self._topic, partition, offset, f"up to {offset}")])

    def surely_commit(self, partition: int, offset: int) -> None:
        """A new epoch may begin in the middle of a transaction, which fails by that."""

        def is_through() -> bool:
            self.poll()
            with suppress(TransactionFailed):
                self.commit(partition, offset)
                return True
            return False

        wait_until(is_through, f"offset {offset} of partition {partition} to be committed", 60)

    def is_wanted(self) -> bool:
        """Whether the group means to give this member a partition."""
        group = self.admin.describe_consumer_groups([GROUP], request_timeout=10)[GROUP].result()
        name = self.member.client.memberid()
        targets = [each.target_assignment for each in group.members if each.member_id == name]
        return any(target is not None and target.topic_partitions for target in targets)

    def has_any(self) -> bool:
        self.poll()
        return bool(self.owned)

    def has(self, *partitions: int) -> Callable[[], bool]:
        def polled() -> bool:
            self.poll()
            return sorted(self.owned) == list(partitions)

        return polled


@pytest.fixture
def join(own_kafka: Broker) -> Iterator[Callable[[], Worker]]:
    topics: TopicNames = make_topics(own_kafka.bootstrap, "", partitions=2)
    with ExitStack() as leaving:

        def joined() -> Worker:
            worker = Worker(own_kafka, topics.verdicts)
            leaving.callback(worker.member.leave)
            leaving.callback(worker.transactions.discard)
            return worker

        yield joined


def test_a_partition_that_was_given_on_while_it_was_restored_is_not_committed(
    own_kafka: Broker, join: Callable[[], Worker]
) -> None:
    """Found by a fault campaign: the client let go of the partition in its words to a coordinator that had been away."""
    first = join()
    polling = threading.Thread(target=lambda: wait_until(first.has_any, "both partitions", 60))
    polling.start()
    assert first.is_restoring.wait(60)
    second = join()
    second.may_go_on.set()
    wait_until(second.is_wanted, "the group to want a partition back", 60)
    own_kafka.pause()
    time.sleep(2)  # until a heartbeat, which are due twice a second, is on its way to it
    own_kafka.sigkill()
    own_kafka.start()
    wait_until(second.has_any, "the group to give a partition on", 60)
    (given_on,) = second.owned
    second.surely_commit(given_on, 10)
    first.last_words[given_on] = 5
    first.may_go_on.set()
    polling.join(60)
    if given_on in first.owned:  # else the client has told of it in the very poll that brought it
        with pytest.raises(TransactionFailed):
            first.commit(given_on, 5)
    second.surely_commit(given_on, 11)
    kept = 1 - given_on
    wait_until(first.has(kept), "the client to tell of what was revoked", 60)
    assert not first.last_heard
    first.member.committed([kept])
    first.surely_commit(kept, 3)
    found = second.member.committed([given_on, kept])
    assert {each.partition: each.offset for each in found} == {given_on: 11, kept: 3}


def test_members_go_on_committing_while_others_come_and_go(join: Callable[[], Worker]) -> None:
    """Each of them is a new epoch of all, in which the group is asked anew."""
    first = join()
    first.may_go_on.set()
    wait_until(first.has(0, 1), "both partitions", 60)
    first.surely_commit(0, 1)
    second = join()
    second.may_go_on.set()
    wait_until(lambda: first.has_any() and second.has_any() and len(first.owned) == 1, "a partition each", 60)
    (firsts,), (seconds,) = first.owned, second.owned
    for offset in range(2, 5):
        first.surely_commit(firsts, offset)
        second.surely_commit(seconds, offset)
    second.member.leave()
    wait_until(first.has(0, 1), "both partitions again", 60)
    first.surely_commit(seconds, 5)
    first.surely_commit(firsts, 5)
    assert [each.offset for each in first.member.committed([0, 1])] == [5, 5]


def test_the_group_is_asked_after_the_brokers_were_away_as_well(own_kafka: Broker, join: Callable[[], Worker]) -> None:
    """Found by a fault campaign: a client that was kept over that may get no answer of the coordinator, now and for ever."""
    worker = join()
    worker.may_go_on.set()
    wait_until(worker.has(0, 1), "both partitions", 60)
    worker.surely_commit(0, 1)
    own_kafka.stop()
    own_kafka.start()
    wait_until(worker.has(0, 1), "both partitions after the outage", 60)
    epochs = worker.member._epochs
    assert epochs is not None
    epochs._identity = None  # a new epoch
    epochs._kept.clear()
    worker.surely_commit(0, 2)


def test_nobody_answers_where_no_broker_is() -> None:
    with pytest.raises(KafkaException, match="TIMED_OUT"):
        owned({"bootstrap.servers": "127.0.0.1:1"}, GROUP, "us", "t", timeout_s=0.5)


def test_a_question_that_ends_its_process_has_no_answer() -> None:
    with pytest.raises(KafkaException, match=r"status 1: .*no\.such\.property"):
        owned({"no.such.property": "1"}, GROUP, "us", "t", timeout_s=0.5)


def test_who_does_not_stand_where_the_group_stands_commits_nothing(join: Callable[[], Worker]) -> None:
    worker = join()
    worker.may_go_on.set()
    wait_until(worker.has(0, 1), "both partitions", 60)
    worker.surely_commit(0, 1)
    epochs = worker.member._epochs
    assert epochs is not None
    epochs.goes_on_from([type(each)(each.partition, 7, None) for each in worker.member.committed([0])])
    epochs._identity = None  # as if an epoch had passed that this client has not seen
    with pytest.raises(TransactionFailed):
        worker.commit(0, 8)
    worker.member.committed([0])
    worker.surely_commit(0, 2)
