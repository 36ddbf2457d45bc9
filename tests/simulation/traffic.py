"""What comes to the topics from outside: verdicts, commands and versions of the policies, some of them in open transactions."""

from collections.abc import Callable

from processor import avro
from processor.kafka.policy_log import RECORD as POLICIES
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.policies.content import from_content, to_content
from processor.policies.limits import LIMITS
from processor.policies.policy import Action, Conditions, NotifySettings, Policy, PolicySet
from processor.restrictions.commands import RECORD as COMMAND
from processor.restrictions.commands import Command, CommandKind
from processor.verdicts.event import MessageVerdict, Verdict
from tests.simulation.broker import Broker
from tests.simulation.decisions import Decisions

SENDERS = [f"{name}@{tenant}.test" for name in ("ann", "bob", "cy", "dee", "eve") for tenant in ("a", "b", "c")]
MINUTE, HOUR = 60_000, 3_600_000


class Traffic:
    """The feeder, the people who give commands, and whoever publishes policies. All end with `until_s`."""

    def __init__(self, broker: Broker, topics: TopicNames, decisions: Decisions, until_s: float, senders: int) -> None:
        self._broker = broker
        self._topics = topics
        self._decisions = decisions
        self._until_s = until_s
        self._senders = SENDERS[:senders]
        self._serde = Serde(None)
        self._verdicts = self._commands = 0
        self._feeders = 0
        self._epochs: dict[str, int] = {}
        self._again(self._feed, 0.15)
        self._again(self._command, 0.8)
        self._again(self._publish, 4.0)
        self._publish()

    def _again(self, what: Callable[[], None], every_s: float) -> None:
        def then() -> None:
            if self._broker.schedule.now_s < self._until_s:
                if not self._broker.is_away:
                    what()
                self._again(what, every_s)

        self._broker.schedule.later(self._broker.chance.random() * 2 * every_s, then)

    def _feed(self) -> None:
        chance, topic = self._broker.chance, self._topics.verdicts
        busy = chance.sample(self._senders, chance.randint(1, 3))
        records = [(sender.encode(), self._verdict(sender)) for sender in chance.choices(busy, k=chance.randint(1, 25))]
        if chance.random() < 0.15:
            self._in_a_transaction(topic, records)
            return
        for key, value in records:
            self._put(topic, key, value)

    def _put(self, topic: str, key: bytes, value: bytes | None, name: str | None = None) -> None:
        place = (topic, self._broker.partition_for(topic, key))
        is_bad = self._broker.chance.random() < 0.02
        if is_bad:
            value = self._broker.chance.choice([None, b"", b"\xc3\x01nothing of ours", (value or b"")[:-1]])
        transaction = None if name is None else self._broker.transactions.transaction(name, self._epochs[name])
        offset = self._broker.append(place, key, value, [], transaction)
        if is_bad:
            self._decisions.bad.add((*place, offset))

    def _in_a_transaction(self, topic: str, records: list[tuple[bytes, bytes]]) -> None:
        """A feeder that writes in transactions: open for a moment or longer, and committed or not."""
        chance, coordinator = self._broker.chance, self._broker.transactions
        self._feeders += 1
        name = f"feeder-{self._feeders}"
        self._epochs[name] = coordinator.init(name, 10.0)
        for key, value in records:
            self._put(topic, key, value, name)
        if chance.random() < 0.98:  # else it is dead, and the broker ends it

            def end() -> None:
                if coordinator.has_open(name, self._epochs[name]):
                    coordinator.end(name, self._epochs[name], commits=chance.random() < 0.7)

            self._broker.schedule.later(chance.random() * chance.choice([0.05, 0.05, 0.05, 2.0]), end)

    def _verdict(self, sender: str) -> bytes:
        chance = self._broker.chance
        self._verdicts += 1
        late_ms = chance.choice(
            [0, 0, 0, chance.randrange(MINUTE), chance.randrange(2 * HOUR), chance.randrange(30 * HOUR)]
        )
        verdict = MessageVerdict(
            event_id=f"e{self._verdicts}",
            occurred_at_ms=self._broker.schedule.now_ms - late_ms,
            tenant_id=sender.rpartition("@")[2] if chance.random() < 0.95 else "other.test",
            sender=sender,
            internal_recipients=chance.randrange(3),
            external_recipients=chance.randrange(5),
            verdict=chance.choice([Verdict.CLEAN, Verdict.CLEAN, Verdict.SPAM, Verdict.BULK, Verdict.MALWARE]),
            message_id=None,
        )
        return avro.single_object_prefix("MessageVerdict") + avro.encode_body("MessageVerdict", verdict.to_record())

    def _command(self) -> None:
        chance = self._broker.chance
        self._commands += 1
        sender = chance.choice(self._senders)
        kind = chance.choice([CommandKind.UNBLOCK] * 3 + [CommandKind.BLOCK])
        until_ms = None
        if kind is CommandKind.BLOCK and chance.random() < 0.5:
            until_ms = self._broker.schedule.now_ms + chance.choice([1, MINUTE, HOUR])
        tenant = sender.rpartition("@")[2]
        command = Command(
            f"c{self._commands}",
            kind,
            sender,
            tenant,
            "somebody",
            until_ms=until_ms,
            ticket=chance.choice([None, "T-1"]),
        )
        topic = chance.choice([self._topics.commands, self._topics.support_commands])
        value = self._serde.encode(topic, COMMAND, command.to_record())
        if chance.random() < 0.2:
            self._in_a_transaction(topic, [(sender.encode(), value)])
        else:
            self._put(topic, sender.encode(), value)

    def _publish(self) -> None:
        chance, topic = self._broker.chance, self._topics.policies
        notify = NotifySettings(
            (f"admin{chance.randrange(2)}@admins.test",), digest_delay_ms=chance.choice([1000, 60_000])
        )
        limits = {limit.name: chance.choice([None, 2.0, 5.0, limit.default / 2.0]) for limit in LIMITS}
        scoped = Policy(
            "scoped",
            limits,
            action=chance.choice(list(Action)),
            conditions=Conditions(sender_domains=frozenset({chance.choice(["a.test", "test"])})),
            notify=notify,
        )
        default = Policy(
            limits={limit.name: chance.choice([None, 3.0, float(limit.default)]) for limit in LIMITS},
            unblocks_without_support=chance.randrange(3),
            notify=notify,
        )
        policies = PolicySet((scoped, default), brake_blocks=chance.choice([2, 10, 100]))
        content = to_content(policies)
        record = {"name": "default", "content": content, "published_by": "t", "comment": None}
        offset = self._broker.append((topic, 0), b"default", self._serde.encode(topic, POLICIES, record), [])
        self._decisions.policies[str(offset)] = from_content(content, str(offset))
