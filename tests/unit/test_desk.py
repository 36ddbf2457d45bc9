"""What a notifier does between Kafka and the mail server, with a clock of the test's own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from processor.notification.ledger import Ledger, LedgerRules
from processor.notification.message import Envelope
from processor.notification.notices import Delivery, Entry, Erased
from processor.notification.outgoing import Errand, Outgoing
from processor.notification.reachability import Reachability
from processor.notification.results import Accepted, Deferred, PermanentlyRejected, Phase, Reply, Result, Unknown
from processor.notification.schedule import DAY_MS
from processor.policies.recipients import Notify
from processor.restrictions.events import Cause, RestrictionEvent
from processor.telemetry import Metrics
from processor.workers.composing import CannotCompose
from processor.workers.desk import Desk, TakenUp, Work
from processor.workers.postman import Outcome
from tests.mail_samples import NOW_MS, alerted, blocked

RULES = LedgerRules("mail.example.org")
ACCEPTED = Accepted(Reply(250, "queued"))
LATER = Deferred(Phase.RCPT, "greylisted", Reply(450, "greylisted"))
REFUSED = PermanentlyRejected(Phase.RCPT, "unknown", Reply(550, "unknown"))
UNANSWERED = Unknown("connection lost")
NO_SERVER = Deferred(Phase.CONNECT, "CONNECT failed: refused")
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
        self.reachability = Reachability(most=10, probe_every_ms=10_000)
        self.desk = Desk(self.composer, self.postman, self.outgoing, self.reachability, self.metrics, once=once)
        self.topic: dict[str, Entry] = {}
        self.notify = NOTIFY
        self.now_ms = NOW_MS
        self.desk.open(0, Ledger(RULES), self.now_ms, in_doubt=False)

    def work(self, *events: RestrictionEvent, close_all: bool = False) -> Work:
        taken = [TakenUp(0, event, b"payload", self.notify) for event in events]
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

    def restore(self, *, in_doubt: bool = True) -> None:
        self.desk.open(0, Ledger.restored(RULES, self.topic.values()), self.now_ms, in_doubt=in_doubt)

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


def test_the_log_says_when_a_deferred_mail_is_tried_again_as_people_write_it() -> None:
    office = Office()
    office.round(blocked(), close_all=True)
    office.postman.end_all(lambda _: LATER)
    with capture_logs() as logs:
        office.round()
    assert [line["next_attempt"][:17] for line in logs if line["event"] == "mail deferred"] == ["2026-11-24T06:35:"] * 2
    assert all(line["next_attempt"].endswith("Z") for line in logs)


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


def test_what_was_broken_off_when_its_partition_was_lost_and_came_back_is_counted_when_it_goes_out_again() -> None:
    office = Office()
    office.round(blocked(), close_all=True)
    office.desk.close([0])
    office.restore()
    office.round()
    assert office.postman.sent == ["a@x.example", "b@y.example"] * 2
    assert office.counted("repeated_mails_total", cause="taken_over") == 2


def test_what_the_owner_before_left_at_rest_is_no_repeat() -> None:
    """He never came to send it: the mail server was away."""
    first = Office()
    first.round(blocked(), close_all=True)
    second = Office()
    second.topic = first.topic
    second.restore(in_doubt=False)
    second.round()
    assert len(second.postman.sent) == 2
    assert second.counted("repeated_mails_total", cause="taken_over") == 0


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


def test_a_mail_that_only_blocked_accounts_got_has_told_nobody() -> None:
    office = Office()
    office.notify = Notify(("anna@school.example",), fallback=("f@z.example",))
    with capture_logs() as logs:
        office.round(blocked("anna@school.example"), close_all=True)
        assert office.postman.sent == ["anna@school.example", "f@z.example"]
        office.postman.end_all(lambda recipient: ACCEPTED if recipient.startswith("anna") else REFUSED)
        office.round()
    assert office.counted("untold_notifications_total") == 1
    told = next(line for line in logs if line["event"].startswith("nobody could be told"))
    assert told["told_only_blocked_accounts"] == ["anna@school.example"]


def test_that_a_recipient_is_blocked_and_the_policy_has_no_fallback_is_said() -> None:
    office = Office()
    office.notify = Notify(("anna@school.example", "b@y.example"))
    with capture_logs() as logs:
        office.round(blocked("anna@school.example"), close_all=True)
        office.postman.end_all(lambda _: ACCEPTED)
        office.round()
    (said,) = (line for line in logs if "blocked account himself" in line["event"])
    assert (said["recipient"], said["fallback"]) == ("anna@school.example", "none: name one in the policy")
    assert office.counted("untold_notifications_total") == 0, "the other one is told"


def test_one_who_is_blocked_while_his_mail_is_under_way_brings_the_fallback_in_before_he_has_it() -> None:
    """In one transaction with the outcome: whoever takes over after a crash knows both or neither."""
    office = Office()
    office.round(blocked("one@s.example"), close_all=True)
    office.postman.end_all(lambda _: ACCEPTED)
    work = office.work(blocked("a@x.example"))
    recipients = [change.recipient for _, change in work.changes if isinstance(change, Delivery)]
    assert recipients == ["a@x.example", "f@z.example", "b@y.example"]
    office.record(work)
    office.desk.start_due(office.now_ms)
    assert office.postman.sent == ["a@x.example", "b@y.example", "f@z.example"]


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (alerted(cause=Cause.BRAKE), "the brake holds blocks back and there is nobody to tell: name operators"),
        (blocked("a-bare-login"), "there is nobody to tell: name recipients or a fallback in the policy"),
    ],
)
def test_that_there_is_nobody_to_tell_is_said_at_the_event(event: RestrictionEvent, what: str) -> None:
    office = Office()
    office.notify = Notify(())
    with capture_logs() as logs:
        office.round(event)
        assert [line["log_level"] for line in logs if line["event"].startswith(what)] == ["error"]
        office.now_ms += 60_000
        office.round()
    assert len(logs) == 1
    assert office.counted("untold_notifications_total") == 1


# -- a mail server that is away ----------------------------------------------------------------------------------------


def many_mails(office: Office, count: int) -> None:
    office.notify = Notify(("a@x.example",))
    office.round(*(blocked(f"u{number}@s.example", tenant=f"t{number}") for number in range(count)), close_all=True)


def test_a_mail_server_that_is_away_for_an_hour_is_asked_with_one_mail_at_a_time_and_then_gets_them_all() -> None:
    office = Office()
    many_mails(office, 500)
    for _ in range(3600):
        office.postman.end_all(lambda _: NO_SERVER)
        office.now_ms += 1_000
        office.round()
    tried = len(office.postman.sent)
    assert tried <= 10 + 3600 / 10 + 1
    assert office.counted("mail_server_away") == 1
    rounds = 0
    while office.counted("mails_total", outcome="accepted") < 500:
        office.postman.end_all(lambda _: ACCEPTED)
        office.now_ms += 1_000
        office.round()
        rounds += 1
    assert rounds <= 5 * 60 + 10, "those that were tried last wait for five minutes at most"
    assert len(office.postman.sent) == tried + 500
    assert office.counted("mail_server_away") == 0
    assert office.counted("repeated_mails_total", cause="no_reply") == 0


def test_that_the_mail_server_is_away_and_back_is_said_once() -> None:
    office = Office()
    with capture_logs() as logs:
        many_mails(office, 100)
        for result in (NO_SERVER, NO_SERVER, ACCEPTED, ACCEPTED):
            office.postman.end_all(lambda _, result=result: result)  # type: ignore[misc]
            office.now_ms += 10_000
            office.round()
    said = [(line["event"], line["log_level"]) for line in logs if "mail server" in line["event"]]
    assert said == [
        ("the mail server cannot be talked to: trying it with one mail at a time", "error"),
        ("the mail server answers again", "info"),
    ]


def test_with_once_nobody_waits_for_a_mail_server_that_is_away() -> None:
    office = Office(once=True)
    many_mails(office, 100)
    office.postman.end_all(lambda _: NO_SERVER)
    office.round()
    assert len(office.postman.sent) == 10
    assert office.desk.idle
    assert office.desk.deferred == 100


# -- in the end --------------------------------------------------------------------------------------------------------


def test_everything_is_forgotten_after_ninety_days() -> None:
    office = Office()
    office.round(blocked(), close_all=True)
    office.postman.end_all(lambda _: ACCEPTED)
    office.round()
    assert len(office.topic) == 4
    office.now_ms += 90 * DAY_MS
    office.round()
    assert office.topic == {}
