"""One world: a broker, its topics, the workers, the traffic and the trouble; it runs until all is at rest, or something does not hold."""

import gc
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from processor.kafka.errors import BrokerUnreachable
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import Fenced
from processor.notification.message import Envelope
from processor.notification.outgoing import Errand
from processor.workers.detect import DetectOptions
from tests.simulation.broker import Broker, Weather
from tests.simulation.decisions import Decisions, Violated, must
from tests.simulation.detectors import GROUP, Detector, Known
from tests.simulation.log import Transaction
from tests.simulation.mailing import MailServer, SimulatedPostman
from tests.simulation.mails import Mails
from tests.simulation.notifiers import GROUP as NOTIFIERS
from tests.simulation.notifiers import NotifierProcess
from tests.simulation.plan import Plan
from tests.simulation.schedule import Process, Schedule
from tests.simulation.traffic import Traffic

START_MS = 1_790_000_000_000
REST_S = 150.0
"""After the trouble: sessions, transactions and pauses run out, and everything is taken up."""
_WATCH_S = 0.25


@dataclass(slots=True)
class Outcome:
    """How a world went."""

    seed: int
    violation: str | None
    faults: Counter[str]
    commits: int
    restores: int
    events: int
    mails: int
    seconds: float
    steps: int


class Worker(Protocol):
    """A detector or a notifier."""

    process: Process
    is_told_to_stop: bool


@dataclass(slots=True)
class _Place:
    """A worker's place in the world: who stands in it dies or ends, and another follows."""

    name: str
    start: Callable[[str], Worker]
    worker: Worker | None = None
    back_at_s: float = 0.0
    generation: int = 0


class World:
    """Everything that there is."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.faults: Counter[str] = Counter()
        self.schedule = Schedule(random.Random(plan.seed + 1), START_MS, plan.pace)
        self.topics = TopicNames()
        self.decisions = Decisions(lambda: self.broker, self.topics, plan.partitions)
        weather = Weather(plan.unlucky, plan.slow_marker, plan.stray_error, plan.lost_join)
        self.broker = Broker(self.schedule, self._decided, weather)
        for topic, partitions in self._partitions().items():
            self.broker.create(topic, partitions)
        self.traffic = Traffic(self.broker, self.topics, self.decisions, plan.trouble_s, plan.senders)
        self.mail_server = MailServer(plan.mail_trouble)
        self.mails = Mails(lambda: self.broker, self.topics, self.mail_server)
        self.places = [
            *(self._place("detector", number, self._start_detector) for number in range(plan.detectors)),
            *(self._place("notifier", number, self._start_notifier) for number in range(plan.notifiers)),
        ]
        self.is_at_rest = False
        for every_s, trouble in (
            (plan.kill_every_s, self._kill),
            (plan.freeze_every_s, self._freeze),
            (plan.outage_every_s, self._outage),
            (plan.retention_every_s, self._retention),
            (plan.stop_every_s, self._stop),
        ):
            if every_s:
                self._again(every_s, trouble)
        self._watch()

    def _partitions(self) -> dict[str, int]:
        n, names = self.plan.partitions, self.topics
        alike = dict.fromkeys(
            (names.verdicts, names.commands, names.support_commands, names.changelog, names.journal), n
        )
        out = dict.fromkeys((names.restrictions, names.restricted, names.notifications), 2)
        return {**alike, **out, names.dead_letters: 1, names.policies: 1}

    def _place(self, kind: str, number: int, start: Callable[[str, str | None], Worker]) -> _Place:
        slot = f"slot-{number}" if self.plan.have_slots else None
        return _Place(f"{kind}-{number}", lambda name: start(name, slot), back_at_s=self.schedule.chance.random() * 2)

    def _start_notifier(self, name: str, slot: str | None) -> Worker:
        return NotifierProcess(self.broker, self.topics, name, slot, self.mail_server, self._asked)

    def _asked(self, postman: SimulatedPostman, errand: Errand, envelope: Envelope) -> None:
        with self._watching():
            self.mails.asked(postman, errand, envelope)

    def _start_detector(self, name: str, slot: str | None) -> Worker:
        plan = self.plan
        options = DetectOptions(
            group=GROUP,
            slot=slot,
            commit_interval_ms=plan.commit_interval_ms,
            batch_size=plan.batch_size,
            sweep_bytes=plan.sweep_bytes,
            once=False,
            policy_set="default",
        )
        return Detector(self.broker, self.topics, name, options, self._restored, self.decisions.commit_of)

    def _restored(self, partition: int, known: Known, committed: int) -> None:
        with self._watching():
            self.decisions.restored(partition, known, committed)

    # -- what goes wrong ----------------------------------------------------------------------------------------------

    @property
    def is_calm(self) -> bool:
        return self.schedule.now_s >= self.plan.trouble_s

    def _again(self, every_s: float, trouble: Callable[[], None]) -> None:
        def then() -> None:
            if not self.is_calm:
                trouble()
                self._again(every_s, trouble)

        self.schedule.later(self.schedule.chance.random() * 2 * every_s, then)

    def _someone(self) -> Process | None:
        alive = [
            each.worker.process for each in self.places if each.worker is not None and not each.worker.process.is_dead
        ]
        return self.schedule.chance.choice(alive) if alive else None

    def _kill(self) -> None:
        """Soon, at one of its next calls."""
        victim = self._someone()
        if victim is not None:
            victim.is_spared_idle = self.schedule.chance.random() < 0.7
            victim.lives = self.schedule.chance.randint(1, 40)

    def _freeze(self) -> None:
        victim = self._someone()
        if victim is not None:
            self.faults["frozen"] += 1
            chance = self.schedule.chance
            victim.freezes_for_s = chance.choice([0.5, 4.0, 8.0, 14.0])
            if chance.random() < 0.3:
                victim.freeze()
            else:
                victim.freezes_in = chance.randint(1, 20)

    def _outage(self) -> None:
        self.faults["broker away"] += 1
        self.broker.go_away(self.schedule.chance.choice([0.1, 0.5, 2.0, 8.0]))

    def _retention(self) -> None:
        """Takes what is old, and now and then what nobody has read."""
        chance = self.schedule.chance
        for log in self.broker.topics[self.topics.verdicts]:
            reached = self.decisions.partitions[log.place[1]].next_offset
            to = min(log.stable, reached + (chance.randint(0, 20) if chance.random() < 0.3 else -5))
            if to > log.first:
                self.faults["retention"] += 1
                log.first = to

    def _stop(self) -> None:
        standing = [each.worker for each in self.places if each.worker is not None]
        if standing:
            self.faults["told to stop"] += 1
            self.schedule.chance.choice(standing).is_told_to_stop = True

    # -- who watches --------------------------------------------------------------------------------------------------

    def _decided(self, transaction: Transaction) -> None:
        with self._watching():
            if GROUP in transaction.groups:
                self.decisions.decided(transaction)
            elif NOTIFIERS in transaction.groups:
                self.mails.decided(transaction)
            else:
                inputs = {self.topics.verdicts, self.topics.commands, self.topics.support_commands}
                written = {topic for topic, _ in transaction.partitions}
                must(written <= inputs, "a worker's transaction without its offsets", written)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """What does not hold ends the world; it is nothing for the worker that happens to be at it."""
        try:
            yield
        except Violated as violated:
            self.schedule.fail(violated)

    def _watch(self) -> None:
        """Starts whoever is to stand in a place, and sees whether all is at rest."""
        now_s = self.schedule.now_s
        if self.is_calm:
            self.broker.weather = Weather()
            self.mail_server.trouble = 0.0
        for each in self.places:
            if each.worker is not None and each.worker.process.has_ended:
                self._ended(each, each.worker.process)
            if each.worker is None and now_s >= each.back_at_s:
                each.generation += 1
                each.worker = each.start(f"{each.name}.{each.generation}")
        self.is_at_rest = self.is_calm and not self.broker.is_away and self.decisions.is_all_taken()
        if self.is_at_rest and self.plan.notifiers:
            self.is_at_rest = self.mails.is_all_told()
        must(now_s < self.plan.trouble_s + REST_S, "nothing comes to rest", *self._where())
        if not self.is_at_rest:
            self.schedule.later(_WATCH_S, self._watch)

    def _where(self) -> list[str]:
        logs = self.broker.topics[self.topics.verdicts]
        return [
            f"partition {number}: {partition.next_offset} of {logs[number].first}..{logs[number].end}"
            for number, partition in enumerate(self.decisions.partitions)
        ]

    def _ended(self, place: _Place, process: Process) -> None:
        failure, chance = process.failure, self.schedule.chance
        if failure is None and process.died_in:
            self.faults[f"died: {process.died_in}"] += 1
        elif isinstance(failure, Fenced):
            self.faults["fenced"] += 1
        elif isinstance(failure, BrokerUnreachable):
            self.faults["ended without a broker"] += 1
        elif failure is not None:
            raise failure
        place.worker = None
        place.back_at_s = self.schedule.now_s + chance.random() * chance.choice([0.1, 3.0, 9.0])

    def run(self) -> None:
        """Raises Violated, or what a worker raised that must not."""
        gc.disable()  # what it would find, and when, does not follow from the seed
        try:
            self.schedule.run(lambda: self.is_at_rest)
            self.decisions.check_readers()
            if self.plan.notifiers:
                self.mails.check()
        finally:
            self.schedule.end()
            gc.enable()

    def outcome(self, violation: str | None) -> Outcome:
        unlucky = Counter(self.broker.unlucky)
        unlucky["transactions ended by the broker"] += self.broker.transactions.expired
        unlucky["rebalances"] += sum(group.rebalances for group in self.broker.groups.values())
        unlucky["mails twice"] += self.mail_server.doubles
        unlucky["mails refused or unanswered"] += self.mail_server.refused
        return Outcome(
            self.plan.seed,
            violation,
            self.faults + unlucky,
            self.decisions.commits + self.mails.commits,
            self.decisions.restores,
            sum(len(told) for told in self.decisions.published.values()),
            sum(self.mail_server.taken.values()),
            self.schedule.now_s,
            self.schedule.happened,
        )


def simulate(plan: Plan, world_type: type[World] = World) -> Outcome:
    """Run the world of a plan to its end. What does not hold stands in the outcome."""
    world = world_type(plan)
    violation = None
    try:
        world.run()
    except Violated as violated:
        violation = str(violated)
    except Exception as failure:  # noqa: BLE001 - a worker that ends by anything but what is allowed is a finding as well
        violation = f"a process ended by {type(failure).__name__}: {failure}"
    outcome = world.outcome(violation)
    del world
    gc.collect()
    return outcome
