"""Whether each event that people are to be told of is told, and nobody twice but where that cannot be helped."""

from collections.abc import Callable

from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.notification.message import Envelope
from processor.notification.notices import Account, Delivery, Entry, Notification, Stage, State
from processor.notification.outgoing import Errand
from processor.notification.records import from_record
from tests.simulation.broker import Broker
from tests.simulation.decisions import must
from tests.simulation.log import Transaction
from tests.simulation.mailing import MailServer, SimulatedPostman
from tests.simulation.notifiers import GROUP

_TOLD_OF = ("SenderBlocked", "SenderUnblocked", "SenderAlerted")


class Mails:
    """The ledger as it is decided, and what the mail server took."""

    def __init__(self, broker: Callable[[], Broker], topics: TopicNames, server: MailServer) -> None:
        self._of_broker = broker
        self._topics = topics
        self._server = server
        self._serde = Serde(None)
        self.ledger: dict[str, Entry] = {}
        self.commits = 0
        self._next: dict[int, int] = {}

    def decided(self, transaction: Transaction) -> None:
        """A transaction of a notifier is committed from now on. Raises Violated."""
        self.commits += 1
        offsets = transaction.groups.get(GROUP, {})
        touched = {partition for _, partition in offsets}
        for entry in transaction.records:
            must(entry.place[0] == self._topics.notifications, "a notifier writes elsewhere", entry)
            must(entry.place[1] in touched, "a ledger's record without its partition's offset", entry, offsets)
            key = (entry.key or b"").decode()
            if entry.value is None:
                self.ledger.pop(key, None)
                continue
            told = from_record(*self._serde.decode(entry.value))
            before = self.ledger.get(key)
            if isinstance(before, Delivery) and isinstance(told, Delivery):
                must(before.state is State.PENDING or told == before, "a final outcome changed", before, told)
            self.ledger[key] = told
        for (_, partition), (offset, _) in offsets.items():
            must(offset >= self._next.get(partition, 0), "a notifier's offset went back", partition, offset, self._next)
            self._next[partition] = offset

    def asked(self, postman: SimulatedPostman, errand: Errand, envelope: Envelope) -> None:
        """A mail is given out. Raises Violated where it is known to have arrived, by whoever sends it."""
        notification = self.ledger.get(errand.notification_id)
        must(isinstance(notification, Notification), "a mail that is not in the ledger", errand)
        assert isinstance(notification, Notification)
        must(notification.stage is not Stage.GATHERING, "a mail that is not closed", errand, notification)
        delivery = self.ledger.get(f"{errand.notification_id}/to/{errand.recipient}")
        before = self._server.sent.get(envelope.name)
        if before is None or not self._server.taken[envelope.name]:
            return
        is_same = before.process is postman.process
        froze = postman.process.times_frozen - (before.froze if is_same else 0)
        if is_same and not froze and before.closed == postman.closed[errand.partition]:
            must(before.heard not in ("Accepted", "nothing yet"), "sent twice by one who knew", errand, before.heard)
        if not postman.process.times_frozen and self._owns(postman, errand.partition):
            is_pending = not isinstance(delivery, Delivery) or delivery.state is State.PENDING
            must(is_pending, "sent although its outcome is recorded", errand, delivery)

    def _owns(self, postman: SimulatedPostman, partition: int) -> bool:
        members = self._of_broker().groups[GROUP].members.values()
        return any(
            partition in each.assigned and getattr(each.listener, "process", None) is postman.process
            for each in members
        )

    def is_all_told(self) -> bool:
        """Whether every event is in the ledger and every mail finished."""
        for log in self._of_broker().topics[self._topics.restrictions]:
            start = self._next.get(log.place[1], 0)
            if any(True for _ in log.readable(start, log.end, committed=True)):
                return False
        return all(each.stage is Stage.FINISHED for each in self.ledger.values() if isinstance(each, Notification))

    def check(self) -> None:
        """At the end. Raises Violated."""
        for name, times in self._server.taken.items():
            counted = self._server.repeats[name]
            must(times - 1 <= counted, "a mail that arrived again, and was not counted", name, times, counted)
        told = {each.event_id for each in self.ledger.values() if isinstance(each, Account)}
        for log in self._of_broker().topics[self._topics.restrictions]:
            for entry in log.readable(0, log.end, committed=True):
                name, _ = self._serde.decode(entry.value)
                event_id = next((value or b"").decode() for header, value in entry.headers if header == "ce_id")
                must(name not in _TOLD_OF or event_id in told, "nobody was told", name, event_id)
        for each in self.ledger.values():
            if isinstance(each, Notification):
                for recipient in each.addressed:
                    delivery = self.ledger.get(f"{each.notification_id}/to/{recipient}")
                    is_accepted = isinstance(delivery, Delivery) and delivery.state is State.ACCEPTED
                    must(is_accepted, "a mail that did not arrive", each, delivery)
                    name = f"{each.message_id.strip('<>').partition('@')[0]}/{recipient}"
                    must(self._server.taken[name] > 0, "recorded as accepted, but nobody took it", each)
