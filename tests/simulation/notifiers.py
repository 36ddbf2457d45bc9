"""Notifiers as simulated processes: put together as processor.workers.notifying does it, but for the mail server."""

from collections.abc import Callable, Iterable

from processor.kafka.ledger import LedgerTopic
from processor.kafka.membership import Membership
from processor.kafka.notifier_inputs import NotifierInputs
from processor.kafka.policies_now import PublishedPolicies
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import Transactions
from processor.notification.ledger import LedgerRules
from processor.notification.message import Envelope
from processor.notification.outgoing import Errand, Outgoing
from processor.notification.reachability import Reachability
from processor.notification.schedule import Schedule
from processor.policies.recipients import Notify
from processor.settings import NotifierSettings
from processor.telemetry import REPEATED_MAILS, Health, Metrics
from processor.workers.audience import Audience
from processor.workers.composing import Composer
from processor.workers.desk import Desk
from processor.workers.mail_writing import MailWriter, mail_writer
from processor.workers.notify import Notifier, NotifierRules
from tests.simulation.asking import settings_of
from tests.simulation.broker import Broker
from tests.simulation.mailing import MailServer, SimulatedPostman
from tests.simulation.schedule import Process

GROUP = "notifier"
_MOST = 3
_writers: list[MailWriter] = []


def _writer() -> MailWriter:
    """Made once: its templates take longer than a world."""
    if not _writers:
        _writers.append(mail_writer(NotifierSettings()))
    return _writers[0]


def _repeats(metrics: Metrics) -> float:
    """What an operator sees of them."""
    name = f"senderwatch_{REPEATED_MAILS.name}_total"
    found = metrics.registry.restricted_registry([name]).collect()
    return sum(sample.value for each in found for sample in each.samples if sample.name == name)


class WatchedDesk(Desk):
    """Tells the postman which partitions it gave up."""

    postman: SimulatedPostman

    def close(self, partitions: Iterable[int]) -> None:
        given_up = list(partitions)
        self.postman.closed.update(given_up)
        super().close(given_up)


class NotifierProcess:
    """One notifier, from the start of its process to its end."""

    def __init__(
        self,
        broker: Broker,
        topics: TopicNames,
        name: str,
        slot: str | None,
        server: MailServer,
        asked: Callable[[SimulatedPostman, Errand, Envelope], None],
    ) -> None:
        self._broker = broker
        self._topics = topics
        self._slot = slot
        self._server = server
        self._asked = asked
        self._settings = settings_of(broker, lambda: self.process)
        self.is_told_to_stop = False
        self.process: Process = broker.schedule.start(name, self._main)

    def _should_stop(self) -> bool:
        return self.is_told_to_stop or self.process.is_dead

    def _main(self) -> None:
        kafka, names, records, metrics = self._settings, self._topics, Serde(None), Metrics()
        pace = self._broker.schedule.pace
        schedule = Schedule(
            first_wait_ms=int(500 * pace),
            longest_wait_ms=int(2000 * pace),
            relay_wait_ms=int(1000 * pace),
            give_up_after_ms=int(10_000_000 * pace),
            probe_every_ms=int(500 * pace),
        )
        published = PublishedPolicies(kafka, names.policies, records, "default", self._should_stop)
        inputs = NotifierInputs(
            kafka,
            restricted_topic=names.restricted,
            policies_topic=names.policies,
            policies=published,
            should_stop=self._should_stop,
        )
        postman = SimulatedPostman(self.process, self._server, self._asked, lambda: _repeats(metrics))
        desk = WatchedDesk(
            Composer(records, _writer()),
            postman,
            Outgoing(most=_MOST, most_per_domain=_MOST),
            Reachability(most=_MOST, probe_every_ms=schedule.probe_every_ms),
            metrics,
            once=False,
        )
        desk.postman = postman
        Notifier(
            rules=NotifierRules(ledger=LedgerRules("mail.test", schedule)),
            desk=desk,
            serde=records,
            ledger_topic=LedgerTopic(kafka, names.notifications, records),
            membership=lambda owner: Membership(kafka, names.restrictions, group=GROUP, slot=self._slot, owner=owner),
            transactions=lambda member: Transactions(kafka, member, slot=self._slot, group=GROUP),
            inputs=inputs,
            audience=Audience(published, Notify(("operator@ops.test",))),
            metrics=metrics,
            health=Health(metrics),
            should_stop=self._should_stop,
            now_ms=kafka.clock.now_ms,
            clock=kafka.clock,
        ).run()
