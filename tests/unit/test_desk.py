"""What a notifier does between Kafka and the mail server, with a clock of the test's own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from processor.notification.ledger import Ledger, LedgerRules
from processor.notification.message import Envelope
from processor.notification.notices import Entry, Erased
from processor.notification.outgoing import Errand, Outgoing
from processor.notification.results import Accepted, Deferred, PermanentlyRejected, Phase, Reply, Result, Unknown
from processor.notification.schedule import DAY_MS
from processor.policies.recipients import Notify
from processor.restrictions.events import RestrictionEvent
from processor.telemetry import Metrics
from processor.workers.composing import CannotCompose
from processor.workers.desk import Desk, TakenUp, Work
from processor.workers.postman import Outcome
from tests.mail_samples import NOW_MS, blocked

RULES = LedgerRules("mail.example.org")
ACCEPTED = Accepted(Reply(250, "queued"))
LATER = Deferred(Phase.RCPT, "greylisted", Reply(450, "greylisted"))
REFUSED = PermanentlyRejected(Phase.RCPT, "unknown", Reply(550, "unknown"))
UNANSWERED = Unknown("connection lost")
NOTIFY = Notify(("a@x.example", "b@y.example"), fallback=("f@z.example",))


@dataclass
class FakePostman:
    """Remembers what it is given; the test says when and how it ends."""

    sent: list[str] = field(default_factory=list)
    under_way: list[Errand] = field(default_factory=list)
    ended: list[Outcome] = field(default_factory=list)

    def send(self, errand: Errand, envelope: Envelope) -> None:
        self.sent.append(envelope.recipient)
        self.under_way.append(errand)

    def outcomes(self, wait_s: float = 0.0) -> list[Outcome]:
        ended, self.ended = self.ended, []
        return ended

    def cancel(self, errands: Iterable[Errand]) -> None:
        for errand in errands:
            if errand in self.under_way:
                self.under_way.remove(errand)
                self.ended.append((errand, None))

    def end_all(self, result: Callable[[str], Result]) -> None:
        self.ended += [(errand, result(errand.recipient)) for errand in self.under_way]
        self.under_way = []


class FakeComposer:
    """Writes nothing into the envelope; fails while it is told to."""

    def __init__(self) -> None:
        self.is_broken = False

    def envelope(self, ledger: Ledger, notification_id: str, recipient: str) -> Envelope:
        if self.is_broken:
            raise CannotCompose("template en/blocked.text.txt: no such fact")
        return Envelope(notification_id, "noreply@x.example", recipient, False, b"")


class Office:
    """A desk with its topic: what is recorded is what a compacted topic would keep."""

    def __init__(self, *, once: bool = False) -> None:
        self.metrics = Metrics()
        self.postman = FakePostman()
        self.composer = FakeComposer()
        self.outgoing = Outgoing(most=10, most_per_domain=10)
        self.desk = Desk(self.composer, self.postman, self.outgoing, self.metrics, once=once)
        self.topic: dict[str, Entry] = {}
        self.now_ms = NOW_MS
        self.desk.open(0, Ledger(RULES), self.now_ms)

    def work(self, *events: RestrictionEvent, close_all: bool = False) -> Work:
        taken = [TakenUp(0, event, b"payload", NOTIFY) for event in events]
        return self.desk.work(taken, self.now_ms, close_all=close_all)

    def record(self, work: Work) -> None:
        for _, change in work.changes:
            if isinstance(change, Erased):
                self.topic.pop(change.key, None)
            else:
                self.topic[change.key] = change
        self.desk.recorded(work)

    def round(self, *events: RestrictionEvent, close_all: bool = False) -> None:
        """One round of the notifier, all of it going well."""
        self.record(self.work(*events, close_all=close_all))
        self.desk.start_due(self.now_ms)

    def restore(self) -> None:
        self.desk.open(0, Ledger.restored(RULES, self.topic.values()), self.now_ms)

    def counted(self, metric: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"senderwatch_{metric}", labels) or 0.0


def test_accounts_gather_until_the_delay_is_over_and_then_each_recipient_gets_one_mail() -> None:
    office = Office()
    office.round(blocked("one@s.example"))
    office.now_ms += 59_000
    office.round(blocked("two@s.example"))
    assert office.postman.sent == []
    office.now_ms += 1_000
    office.round()
    assert office.postman.sent == ["a@x.example", "b@y.example"]


def test_nothing_is_sent_before_it_is_recorded() -> None:
    office = Office()
    office.round(blocked())
    office.now_ms += 60_000
    office.work()
    office.desk.start_due(office.now_ms)
    assert office.postman.sent == []


def test_a_deferred_mail_is_tried_again_at_its_time_and_not_before() -> None:
    office = Office()
    office.round(blocked())
    office.now_ms += 60_000
    office.round()
    office.postman.end_all(lambda recipient: LATER if recipient.startswith("a") else ACCEPTED)
    office.round()
    office.now_ms += 44_000
    office.round()
    assert office.postman.sent == ["a@x.example", "b@y.example"]
    office.now_ms += 16_000
    office.round()
    assert office.postman.sent == ["a@x.example", "b@y.example", "a@x.example"]
    office.postman.end_all(lambda _: ACCEPTED)
    office.round()
    assert office.desk.idle
    assert (office.counted("mails_total", outcome="accepted"), office.counted("mails_total", outcome="deferred")) == (
        2,
        1,
    )
    assert office.counted("repeated_mails_total", cause="no_reply") == 0


def test_a_5xx_goes_to_the_fallback_at_once() -> None:
    office = Office()
    office.round(blocked(), close_all=True)
    office.postman.end_all(lambda recipient: REFUSED if recipient.startswith("a") else ACCEPTED)
    office.round()
    assert office.postman.sent == ["a@x.example", "b@y.example", "f@z.example"]
    assert office.counted("mails_total", outcome="rejected") == 1


def test_an_outcome_that_could_not_be_recorded_is_filed_again_and_nothing_is_sent_twice() -> None:
    office = Office()
    office.round(blocked(), close_all=True)
    office.postman.end_all(lambda _: ACCEPTED)
    work = office.work()
    office.restore()
    office.desk.put_back(work)
    office.desk.start_due(office.now_ms)
    office.round()
    assert office.postman.sent == ["a@x.example", "b@y.example"]
    assert office.desk.idle
    assert office.counted("mails_total", outcome="accepted") == 2


def test_what_is_under_way_when_a_ledger_is_restored_is_not_sent_beside_itself() -> None:
    office = Office()
    office.round(blocked(), close_all=True)
    office.restore()
    office.round()
    assert office.postman.sent == ["a@x.example", "b@y.example"]
    office.postman.end_all(lambda _: LATER)
    office.round()
    assert len(office.postman.sent) == 2, "the schedule counts from this attempt, not from the restore"


def test_what_may_have_been_sent_before_a_restart_goes_out_again_and_is_counted() -> None:
    first = Office()
    first.round(blocked(), close_all=True)
    second = Office()
    second.topic = first.topic
    second.restore()
    second.round()
    assert second.postman.sent == first.postman.sent
    assert second.counted("repeated_mails_total", cause="taken_over") == 2


def test_a_retry_that_was_not_due_yet_at_a_restart_is_no_repeat() -> None:
    first = Office()
    first.round(blocked(), close_all=True)
    first.postman.end_all(lambda _: LATER)
    first.round()
    second = Office()
    second.topic = first.topic
    second.restore()
    second.now_ms += 60_000
    second.round()
    assert len(second.postman.sent) == 2
    assert second.counted("repeated_mails_total", cause="taken_over") == 0


def test_an_unanswered_mail_is_tried_again_and_counted_as_a_possible_double() -> None:
    office = Office()
    office.round(blocked(), close_all=True)
    office.postman.end_all(lambda _: UNANSWERED)
    office.round()
    office.now_ms += 60_000
    office.round()
    assert len(office.postman.sent) == 4
    assert office.counted("repeated_mails_total", cause="no_reply") == 2


def test_a_lost_partition_sends_nothing_more_and_its_late_outcomes_do_no_harm() -> None:
    office = Office()
    office.round(blocked(), close_all=True)
    office.postman.ended.append((office.postman.under_way.pop(0), ACCEPTED))
    office.desk.close([0])
    office.round()
    assert office.outgoing.under_way == frozenset()
    assert len(office.postman.sent) == 2


def test_with_once_each_mail_is_tried_once_whatever_its_schedule() -> None:
    office = Office()
    office.round(blocked(), close_all=True)
    office.postman.end_all(lambda _: LATER)
    office.round()
    again = Office(once=True)
    again.topic = office.topic
    again.restore()
    again.round()
    again.postman.end_all(lambda recipient: LATER if recipient.startswith("a") else ACCEPTED)
    again.round()
    assert again.postman.sent == ["a@x.example", "b@y.example"]
    assert again.desk.idle
    assert again.desk.deferred == 1


def test_a_mail_that_cannot_be_written_waits_for_the_template_to_be_mended() -> None:
    office = Office()
    office.composer.is_broken = True
    office.round(blocked(), close_all=True)
    office.round()
    assert office.desk.deferred == 2
    office.composer.is_broken = False
    office.now_ms += 5 * 60_000
    office.round()
    assert office.postman.sent == ["a@x.example", "b@y.example"]


def test_a_notification_that_reaches_nobody_is_shown() -> None:
    office = Office()
    office.round(blocked(), close_all=True)
    for _ in range(2):
        office.postman.end_all(lambda _: REFUSED)
        office.round()
    assert office.postman.sent == ["a@x.example", "b@y.example", "f@z.example"]
    assert office.counted("untold_notifications_total") == 1


def test_everything_is_forgotten_after_ninety_days() -> None:
    office = Office()
    office.round(blocked(), close_all=True)
    office.postman.end_all(lambda _: ACCEPTED)
    office.round()
    assert len(office.topic) == 4
    office.now_ms += 90 * DAY_MS
    office.round()
    assert office.topic == {}
