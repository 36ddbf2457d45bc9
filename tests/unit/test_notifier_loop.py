"""The notifier's loop against a Kafka that fails: nothing is lost, and no failure of a transaction sends a mail twice."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from confluent_kafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.kafka.clients import ClientSettings
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.group import Owner
from processor.kafka.ledger import LedgerTopic
from processor.kafka.membership import Membership, Record
from processor.kafka.serde import Serde
from processor.kafka.transactions import OutRecord, TransactionFailed, Transactions
from processor.notification.ledger import Ledger, LedgerRules
from processor.notification.message import Envelope
from processor.notification.notices import Delivery, Entry, Notification, Stage, State
from processor.notification.outgoing import Errand, Outgoing
from processor.notification.reachability import Reachability
from processor.notification.results import Accepted, Deferred, Phase, Reply, Result
from processor.policies.policy import PolicySet
from processor.policies.recipients import Notify
from processor.restrictions.events import RestrictionEvent
from processor.telemetry import Health, Metrics
from processor.workers.audience import Audience, OnePolicySet
from processor.workers.desk import Desk
from processor.workers.notify import Notifier, NotifierRules
from processor.workers.postman import Outcome
from tests.mail_samples import NOW_MS, blocked

SERDE = Serde(None)
TOPIC = "sender-restrictions"
NOTIFY = Notify(("a@x.example", "b@y.example"), digest_delay_ms=12_000)


class Fate(Enum):
    """What becomes of one transaction."""

    COMMITTED = "committed"
    ABORTED = "aborted, and said so"
    UNCLEAR = "committed, but the answer was lost"


@dataclass
class World:
    """Kafka and the mail server, as far as the notifier can see them."""

    fates: list[Fate]
    events: list[RestrictionEvent]
    refusals: int = 0
    ledger: dict[bytes, bytes] = field(default_factory=dict)
    offset: int = 0
    position: int = 0
    commits: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    outcomes: list[Outcome] = field(default_factory=list)
    now_ms: int = NOW_MS
    rounds: int = 0

    def entries(self) -> list[Entry]:
        return LedgerTopicOf(self).read([0], lambda: False)[0]


class LedgerTopicOf(LedgerTopic):
    def __init__(self, world: World) -> None:
        super().__init__(ClientSettings("nowhere:1"), "notifications", SERDE)
        self._world = world

    def read(self, partitions: list[int], should_stop: Callable[[], bool]) -> dict[int, list[Entry]]:
        return {
            each: [self._entry(each, key, value) for key, value in self._world.ledger.items()] for each in partitions
        }


class TransactionsOf(Transactions):
    def __init__(self, world: World) -> None:
        self._world = world

    def start(self) -> None:
        """Ready at once."""

    def run(self, records: Sequence[OutRecord], offsets: Sequence[TopicPartition]) -> None:
        world = self._world
        world.commits += 1
        fate = world.fates.pop(0) if world.fates else Fate.COMMITTED
        if fate is not Fate.ABORTED:
            for record in records:
                assert record.key is not None
                assert record.value is not None
                world.ledger[record.key] = record.value
            for offset in offsets:
                world.offset = offset.offset
        if fate is not Fate.COMMITTED:
            raise TransactionFailed(fate.value)


class MembershipOf(Membership):
    def __init__(self, world: World, owner: Owner) -> None:
        self._world = world
        self._owner = owner
        self.was_assigned = False

    def join(self) -> None:
        """The partition comes with the first poll."""

    @property
    def partitions(self) -> list[int]:
        return [0]

    def poll(self, most: int, timeout_s: float) -> list[Record]:
        world = self._world
        world.rounds += 1
        world.now_ms += 5_000
        if not self.was_assigned:
            self.was_assigned = True
            world.position = self._owner.assigned([0])[0]
        batch = world.events[world.position : world.position + 3]
        records = [
            Record(0, world.position + number, SERDE.encode(TOPIC, type(event).__name__, event.to_record()))
            for number, event in enumerate(batch)
        ]
        world.position += len(batch)
        return records

    def offsets(self, partitions: Iterable[int], *, at_rest: bool = False) -> list[TopicPartition]:
        return [TopicPartition(TOPIC, partition, self._world.position) for partition in partitions]

    def was_at_rest(self, partition: int) -> bool:
        return False

    def starts(self, partitions: Iterable[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, self._world.offset)

    def rewind(self, starts: object) -> None:
        self._world.position = self._world.offset

    def leave(self) -> None:
        self._owner.revoked([0])


class PostmanOf:
    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, errand: Errand, envelope: Envelope) -> None:
        result: Result = Accepted(Reply(250, "taken"))
        if self._world.refusals:
            self._world.refusals -= 1
            result = Deferred(Phase.RCPT, "greylisted", Reply(450, "greylisted"))
        else:
            self._world.sent[f"{errand.notification_id} {errand.recipient}"] += 1
        self._world.outcomes.append((errand, result))

    def outcomes(self, wait_s: float = 0.0) -> list[Outcome]:
        ended, self._world.outcomes = self._world.outcomes, []
        return ended

    def cancel(self, errands: Iterable[Errand]) -> None:
        """Everything ends at once here; nothing is ever under way."""


class ComposerOf:
    def envelope(self, ledger: Ledger, notification_id: str, recipient: str) -> Envelope:
        return Envelope(notification_id, "noreply@x.example", recipient, False, b"")


class NothingBeside:
    """No policies to follow, and nobody is blocked in another partition."""

    def __init__(self) -> None:
        self.restricted: Container[str] = frozenset()

    def begin(self) -> None:
        """Nothing to read."""

    def poll(self) -> None:
        """Nothing comes."""


class Everybody(Audience):
    """The same people for every event."""

    def __init__(self) -> None:
        super().__init__(OnePolicySet(PolicySet()), Notify(()))

    def of(self, event: RestrictionEvent) -> Notify:
        return NOTIFY


def notifier(world: World, should_stop: Callable[[], bool], audience: Audience | None = None) -> Notifier:
    metrics = Metrics()
    return Notifier(
        rules=NotifierRules(LedgerRules("mail.example.org")),
        desk=Desk(
            ComposerOf(),
            PostmanOf(world),
            Outgoing(most=4, most_per_domain=4),
            Reachability(most=4, probe_every_ms=10_000),
            metrics,
            once=False,
        ),
        serde=SERDE,
        ledger_topic=LedgerTopicOf(world),
        membership=lambda owner: MembershipOf(world, owner),
        transactions=lambda _: TransactionsOf(world),
        inputs=NothingBeside(),
        audience=audience or Everybody(),
        metrics=metrics,
        health=Health(metrics),
        should_stop=should_stop,
        now_ms=lambda: world.now_ms,
    )


def all_done(world: World) -> bool:
    """Every event is taken up and every mail finished, or enough is enough."""
    notifications = [entry for entry in world.entries() if isinstance(entry, Notification)]
    done = world.offset == len(world.events) and all(each.stage is Stage.FINISHED for each in notifications)
    return done or world.rounds > 5000  # a wait of two hours is 1,440 rounds


accounts = st.lists(st.integers(0, 50), min_size=1, max_size=8, unique=True).map(
    lambda numbers: [blocked(f"u{number}@s.example", tenant=f"t{number % 3}") for number in numbers]
)


@given(st.lists(st.sampled_from(Fate), max_size=30), accounts, st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_whatever_becomes_of_transactions_each_recipient_gets_each_mail_once(
    fates: list[Fate], events: list[RestrictionEvent], refusals: int
) -> None:
    world = World(fates, list(events), refusals)
    assert notifier(world, lambda: all_done(world)).run() == 0
    entries = world.entries()
    notifications = [entry for entry in entries if isinstance(entry, Notification)]
    assert {each.stage for each in notifications} == {Stage.FINISHED}
    assert world.sent == Counter(
        f"{each.notification_id} {recipient}" for each in notifications for recipient in each.addressed
    )
    deliveries = [entry for entry in entries if isinstance(entry, Delivery)]
    assert {each.state for each in deliveries} == {State.ACCEPTED}
    assert sum(each.attempts for each in deliveries) == len(deliveries) + refusals - world.refusals
    told = {key.split("/event/")[1] for key in map(bytes.decode, world.ledger) if "/event/" in key}
    assert told == {event.event_id for event in events}


class AwayAtFirst(Everybody):
    """Whether the version is still there cannot be asked for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 1

    def of(self, event: RestrictionEvent) -> Notify:
        if self.refusals:
            self.refusals -= 1
            raise BrokerUnreachable("nowhere:1", "timed out")
        return super().of(event)


def test_while_nobody_knows_the_policies_an_event_waits_and_then_the_right_people_are_told() -> None:
    world, audience = World([], [blocked()]), AwayAtFirst()
    assert notifier(world, lambda: all_done(world), audience).run() == 0
    assert audience.refusals == 0
    assert {key.split()[1] for key in world.sent} == set(NOTIFY.recipients)


def test_a_worker_that_stood_still_asks_the_broker_before_it_sends() -> None:
    """Between the commit that closed the mail and its sending more than half a session passes: SIGSTOP, a frozen machine."""
    world = World([], [blocked()], refusals=2)
    worker = notifier(world, lambda: world.rounds > 6)
    worker.run()
    commits, retries = world.commits, sum(world.sent.values())
    assert retries == 0, "both are greylisted, and their time has not come"
    world.now_ms += 120_000
    world.rounds = 0
    world.fates = [Fate.ABORTED] * 5
    worker._recording.took_over()
    worker._desk.open(0, Ledger.restored(LedgerRules("mail.example.org"), world.entries()), world.now_ms, in_doubt=True)
    worker._step([])
    assert world.commits == commits + 1
    assert world.sent == Counter(), "the broker said no"


def test_what_is_told_to_stop_records_what_it_has_heard() -> None:
    world = World([], [blocked()])
    worker = notifier(world, lambda: sum(world.sent.values()) == 2)
    worker.run()
    assert {entry.state for entry in world.entries() if isinstance(entry, Delivery)} == {State.ACCEPTED}
