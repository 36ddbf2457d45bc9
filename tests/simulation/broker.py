"""Kafka, as far as the workers can see it: topics, transactions, groups, and what goes wrong on the way to them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from processor.detection.senders import partition_of
from tests.simulation.group import Group
from tests.simulation.log import Headers, Partition, Place, Transaction
from tests.simulation.schedule import Schedule
from tests.simulation.transactions import TransactionCoordinator


class Fate(Enum):
    """What becomes of a request and its reply."""

    GOOD = "answered"
    LOST = "never arrives, and the caller waits in vain"
    SILENT = "arrives, and the caller waits in vain for the reply"
    LATE = "arrives after the caller has given up"


@dataclass(slots=True)
class Weather:
    """How often what goes wrong, as chances of a request; nothing of it in calm weather."""

    unlucky: float = 0.0
    slow_marker: float = 0.0
    stray_error: float = 0.0
    lost_join: float = 0.0


@dataclass(slots=True)
class Broker:
    """The one broker of a world. What is in it survives its restarts."""

    schedule: Schedule
    decided: Callable[[Transaction], None]
    """Hears of each transaction in the moment in which it is committed."""
    weather: Weather = field(default_factory=Weather)
    topics: dict[str, list[Partition]] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    away_until_s: float = 0.0
    unlucky: dict[str, int] = field(default_factory=dict)
    transactions: TransactionCoordinator = field(init=False)

    def __post_init__(self) -> None:
        self.transactions = TransactionCoordinator(self.schedule, self.decided, self._marked, self._marker_delay_s)
        self.schedule.later(0.5, self._expire)

    @property
    def chance(self) -> random.Random:
        return self.schedule.chance

    @property
    def is_away(self) -> bool:
        return self.schedule.now_s < self.away_until_s

    def create(self, topic: str, partitions: int) -> None:
        self.topics[topic] = [Partition((topic, each)) for each in range(partitions)]

    def partition(self, place: Place) -> Partition:
        return self.topics[place[0]][place[1]]

    def has(self, place: Place) -> bool:
        return place[0] in self.topics and 0 <= place[1] < len(self.topics[place[0]])

    def partition_for(self, topic: str, key: bytes | None) -> int:
        count = len(self.topics[topic])
        if key is None:
            return self.chance.randrange(count)
        return int(partition_of(np.frombuffer(key or b"\0", np.uint8), 0, len(key), count))

    def append(
        self,
        place: Place,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        transaction: Transaction | None = None,
    ) -> int:
        """A record at the end of a partition; its offset."""
        if transaction is not None:
            transaction.partitions.setdefault(place)
        return self.partition(place).append(self.schedule.now_ms, key, value, headers, transaction).offset

    def group(self, name: str, topic: str) -> Group:
        if name not in self.groups:
            self.groups[name] = Group(self.schedule, len(self.topics[topic]))
        return self.groups[name]

    def fate(self, what: str) -> Fate:
        """What becomes of the next request of this kind."""
        if self.chance.random() >= self.weather.unlucky:
            return Fate.GOOD
        fate = self.chance.choice([Fate.LOST, Fate.SILENT, Fate.LATE])
        self.note(f"{what} {fate.name.lower()}")
        return fate

    def note(self, what: str) -> None:
        """It has happened once more."""
        self.unlucky[what] = self.unlucky.get(what, 0) + 1

    def go_away(self, seconds: float) -> None:
        """A restart of the broker that takes so long."""
        self.away_until_s = self.schedule.now_s + seconds
        self.schedule.later(seconds, self._back)

    def _back(self) -> None:
        for group in self.groups.values():
            group.renew_sessions()

    def _expire(self) -> None:
        if not self.is_away:
            for group in self.groups.values():
                group.expire()
        self.schedule.later(0.5, self._expire)

    def _marker_delay_s(self) -> float:
        if self.chance.random() < self.weather.slow_marker:
            return self.chance.random() * 2.0
        return self.chance.random() * 0.01

    def _marked(self, transaction: Transaction, place: Place | None) -> None:
        if place is not None:
            self.partition(place).mark(transaction, self.schedule.now_ms)
            return
        for group in transaction.groups:
            self.groups[group].decide(transaction)
