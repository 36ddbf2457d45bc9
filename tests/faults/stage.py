"""What a campaign's faults act upon, and the book in which each is written down."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

from tests.brokers import Broker
from tests.faults.cluster import FaultCluster, Lane
from tests.faults.smtp import MailServer
from tests.faults.watching import Watching
from tests.faults.workers import Fleet

Wait = float | Callable[[], bool]
"""Seconds, or what has to become true."""
Story = Generator[Wait, None, None]
"""A fault from its beginning to its end. It says what it waits for, and goes on from there."""


class DoesNotGoOn(Exception):
    """Something that has to come back or to end does not. The text says what."""


@dataclass
class Injected:
    """A fault that was done; `until_s` is when its story ended."""

    kind: str
    target: str
    at_s: float
    until_s: float | None = None


@dataclass(frozen=True)
class Answer:
    """What a person was told by the command line: its exit status."""

    command: tuple[str, ...]
    status: int
    printed: str


@dataclass
class Stage:
    cluster: FaultCluster
    fleet: Fleet
    lanes: dict[str, Lane]
    """By worker."""
    mail: MailServer
    watching: Watching
    folder: Path
    detectors: tuple[str, ...]
    notifiers: tuple[str, ...]
    session_s: float
    storm_command: list[str]
    injected: list[Injected] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    @property
    def brokers(self) -> list[Broker]:
        return self.cluster.brokers

    def note(self, kind: str, target: str) -> Injected:
        """A fault begins."""
        fault = Injected(kind, target, time.time())
        self.injected.append(fault)
        return fault

    def heal(self) -> None:
        """Everything that stories have broken is whole again; brokers that are dead are not started."""
        for lane in self.lanes.values():
            lane.heal()
        for broker in self.brokers:
            if not broker.has_ended:
                broker.resume()
        for worker in self.fleet:
            worker.thaw()
        self.mail.heal()


def now_and_then(condition: Callable[[], bool], every_s: float = 1.0) -> Callable[[], bool]:
    """The condition, asked no more often than that: for one that costs something."""
    next_s = 0.0

    def asked() -> bool:
        nonlocal next_s
        if time.monotonic() < next_s:
            return False
        answer = condition()
        next_s = time.monotonic() + every_s
        return answer

    return asked
