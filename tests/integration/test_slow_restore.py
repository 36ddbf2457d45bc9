"""A member whose restoring takes longer than the library lets a member go without a poll."""

import threading
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer

from processor.kafka.clients import ClientSettings
from processor.kafka.verdict_consumer import VerdictConsumer
from tests.mocks import Mock, mock_of_brokers
from tests.waiting import wait_until

TOPIC, GROUP = "slow", "slow"
LIMIT_S = 3.0


@pytest.fixture
def mock() -> Iterator[Mock]:
    with mock_of_brokers(TOPIC, partitions=2) as mock:
        yield mock


class Slow:
    """Restores what comes after the first time for longer than the limit."""

    def __init__(self) -> None:
        self.owned: list[set[int]] = []
        self.has_lost = False

    def assigned(self, partitions: list[int]) -> dict[int, int]:
        if partitions and self.owned:
            time.sleep(1.7 * LIMIT_S)
        if partitions:
            self.owned.append(set(partitions))
        return dict.fromkeys(partitions, 0)

    def revoked(self, partitions: list[int]) -> None:
        """Another comes."""

    def lost(self, _partitions: list[int]) -> None:
        self.has_lost = True


def test_a_restore_that_takes_long_costs_nobody_his_partitions(mock: Mock, caplog: pytest.LogCaptureFixture) -> None:
    times = {
        "session.timeout.ms": "3000",
        "max.poll.interval.ms": str(round(1000 * LIMIT_S)),
        "heartbeat.interval.ms": "200",
    }
    owner = Slow()
    settings = ClientSettings(mock.bootstrap, consumer_properties=times)
    member = VerdictConsumer(settings, TOPIC, group=GROUP, slot=None, owner=owner)
    member.join()

    def has_owned(count: int) -> bool:
        member.poll(10, 0.1)
        return len(owner.owned) >= count

    wait_until(lambda: has_owned(1), "the first partitions")
    other = Consumer(
        {"bootstrap.servers": mock.bootstrap, "group.id": GROUP, "partition.assignment.strategy": "cooperative-sticky"}
    )
    other.subscribe([TOPIC])
    has_one, is_over = threading.Event(), threading.Event()

    def read() -> None:
        while not is_over.is_set():
            other.poll(0.1)
            if other.assignment():
                has_one.set()
        other.close()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        wait_until(lambda: not has_owned(99) and has_one.is_set(), "the other one's partition", 40)
    finally:
        is_over.set()
    wait_until(lambda: has_owned(2), "its return", 40)
    reader.join()
    for _ in range(20):
        member.poll(10, 0.1)
    member.leave()
    assert "MAXPOLL" not in caplog.text
    assert not owner.has_lost
