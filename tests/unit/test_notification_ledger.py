"""Laws of digests and deliveries, and that a ledger made from its entries is the ledger."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from processor import avro
from processor.notification.kinds import Kind, kind_of
from processor.notification.ledger import Ledger, LedgerRules
from processor.notification.notices import Account, Change, Delivery, Entry, Erased, Notification, Stage, State
from processor.notification.records import from_record, to_record
from processor.notification.results import Accepted, Deferred, PermanentlyRejected, Phase, Reply, Result, Unknown
from processor.notification.schedule import DAY_MS
from processor.policies.recipients import Notify
from processor.restrictions.events import Cause, RestrictionEvent, SenderBlocked
from tests.hostile import hostile_texts
from tests.mail_samples import NOW_MS, alerted, blocked, unblocked

RULES = LedgerRules("mail.example.org")
NOTIFY = Notify(("a@x.example", "b@x.example"), fallback=("f@y.example",), digest_delay_ms=60_000)
ACCEPTED = Accepted(Reply(250, "queued"))
REFUSED = PermanentlyRejected(Phase.RCPT, "no such user", Reply(550, "no such user"))
LATER = Deferred(Phase.RCPT, "greylisted", Reply(450, "greylisted"))
UNANSWERED = Unknown("connection lost")


def notifications(changes: Iterable[Change]) -> list[Notification]:
    return [change for change in changes if isinstance(change, Notification)]


def recorded(changes: Iterable[Change]) -> dict[str, Entry]:
    """What the compacted topic keeps of these changes."""
    topic: dict[str, Entry] = {}
    for change in changes:
        if isinstance(change, Erased):
            topic.pop(change.key, None)
        else:
            topic[change.key] = change
    return topic


def sent_off(*events: RestrictionEvent, notify: Notify = NOTIFY) -> tuple[Ledger, Notification]:
    """A ledger whose only digest, of `events`, has just been closed."""
    ledger = Ledger(RULES)
    for event in events:
        ledger.take(event, b"event", notify, NOW_MS)
    (notification,) = notifications(ledger.close_due(NOW_MS + 60_000))
    return ledger, notification


def states(ledger: Ledger, notification: Notification) -> dict[str, State]:
    everybody = (*notification.recipients, *notification.fallback)
    found = {recipient: ledger.delivery(notification.key, recipient) for recipient in everybody}
    return {recipient: delivery.state for recipient, delivery in found.items() if delivery}


# -- digests -----------------------------------------------------------------------------------------------------------

times_ms = st.integers(0, 200_000).map(lambda after_ms: NOW_MS + after_ms)
senders = st.integers(0, 30).map(lambda number: f"user{number}@x.example")
tenants = st.sampled_from(["school", "hospital"])
events = st.one_of(
    st.builds(blocked, senders, tenant=tenants),
    st.builds(lambda sender, tenant: unblocked(blocked(sender, tenant=tenant)), senders, tenants),
    st.builds(alerted, senders, tenant=tenants),
)
notifies = st.sampled_from(
    [NOTIFY, replace(NOTIFY, recipients=("other@x.example",)), replace(NOTIFY, digest_delay_ms=20_000)]
)


@given(st.lists(st.tuples(times_ms, events, notifies), max_size=40))
def test_a_digest_holds_one_kind_one_tenant_and_one_list_of_recipients(
    log: list[tuple[int, RestrictionEvent, Notify]],
) -> None:
    ledger, changes = Ledger(RULES), list[Change]()
    taken: dict[str, RestrictionEvent] = {}
    for now_ms, event, notify in sorted(log, key=lambda row: row[0]):
        changes += ledger.close_due(now_ms)
        changes += ledger.take(event, b"event", notify, now_ms)
        taken[event.event_id] = event
    folders = {entry.key: entry for entry in recorded(changes).values() if isinstance(entry, Notification)}
    for account in (change for change in changes if isinstance(change, Account)):
        notification, event = folders[account.notification_id], taken[account.event_id]
        assert (notification.kind, notification.tenant_id) == (kind_of(event), event.tenant_id)


@given(st.lists(st.tuples(times_ms, events), min_size=1, max_size=40))
def test_every_account_is_in_exactly_one_mail_within_the_delay(log: list[tuple[int, RestrictionEvent]]) -> None:
    ledger, changes = Ledger(RULES), list[Change]()
    joined_at: dict[str, int] = {}
    for now_ms, event in sorted(log, key=lambda row: row[0]):
        changes += ledger.close_due(now_ms)
        for change in ledger.take(event, b"event", NOTIFY, now_ms):
            changes.append(change)
            if isinstance(change, Account):
                joined_at[change.key] = now_ms
    changes += ledger.close_due(NOW_MS + 10**9)
    folders = {change.key: change for change in changes if isinstance(change, Notification)}
    assert {folder.stage for folder in folders.values()} == {Stage.SENDING}
    assert len(joined_at) == len({(change.key) for change in changes if isinstance(change, Account)})
    for change in changes:
        if isinstance(change, Account):
            folder = folders[change.notification_id]
            assert folder.opened_at_ms <= joined_at[change.key] < folder.closes_at_ms


def test_the_id_depends_on_the_first_event_and_not_on_time_or_company() -> None:
    first, second = blocked("one@x.example"), blocked("two@x.example")
    _, alone = sent_off(first)
    _, together = sent_off(first, second)
    _, turned = sent_off(second, first)
    assert alone.notification_id == together.notification_id
    assert together.notification_id != turned.notification_id


@given(hostile_texts, hostile_texts)
def test_different_tenants_never_share_an_id(one: str, other: str) -> None:
    ids = {sent_off(blocked(tenant=tenant))[1].notification_id for tenant in {one, other}}
    assert len(ids) == len({one, other})


@given(st.lists(st.tuples(times_ms, events), max_size=20))
def test_reading_the_events_again_mails_nobody_again(log: list[tuple[int, RestrictionEvent]]) -> None:
    ledger = Ledger(RULES)
    for now_ms, event in sorted(log, key=lambda row: row[0]):
        ledger.take(event, b"event", NOTIFY, now_ms)
    assert [change for now_ms, event in log for change in ledger.take(event, b"event", NOTIFY, now_ms + 10**7)] == []


def test_a_digest_past_its_time_takes_nobody_even_if_it_was_not_closed() -> None:
    ledger = Ledger(RULES)
    ledger.take(blocked("one@x.example"), b"", NOTIFY, NOW_MS)
    changes = ledger.take(blocked("two@x.example"), b"", NOTIFY, NOW_MS + 60_000)
    assert [each.stage for each in notifications(changes)] == [Stage.SENDING, Stage.GATHERING]


def test_a_storm_of_ten_thousand_accounts_of_three_hundred_tenants_becomes_three_hundred_mails() -> None:
    ledger = Ledger(RULES)
    for number in range(10_000):
        event = blocked(f"user{number}@x.example", tenant=f"tenant{number % 300}")
        ledger.take(event, b"", NOTIFY, NOW_MS + number * 5)
    assert len(notifications(ledger.close_due(NOW_MS + 120_000))) == 300


def test_the_brake_is_one_mail_to_the_operators_however_many_tenants_it_holds_back() -> None:
    ledger = Ledger(RULES)
    for number in range(300):
        event = alerted(f"u{number}@t{number}.example", tenant=f"t{number}", cause=Cause.BRAKE)
        ledger.take(event, b"", Notify(("operators@host.example",)), NOW_MS)
    (notification,) = notifications(ledger.close_due(NOW_MS + 60_000))
    assert (notification.tenant_id, len(ledger.accounts(notification.key))) == ("", 300)


# -- who is told -------------------------------------------------------------------------------------------------------


def test_a_recipient_who_is_blocked_himself_brings_the_fallback_in() -> None:
    _, notification = sent_off(blocked("A@x.example"))
    assert notification.addressed == ("a@x.example", "b@x.example", "f@y.example")
    _, notification = sent_off(blocked("c@x.example"))
    assert notification.addressed == ("a@x.example", "b@x.example")


def test_one_blocked_in_an_earlier_mail_counts_until_he_is_unblocked() -> None:
    block = blocked("a@x.example")
    ledger, _ = sent_off(block)
    ledger.take(blocked("c@x.example"), b"", NOTIFY, NOW_MS + 70_000)
    (second,) = notifications(ledger.close_due(NOW_MS + 200_000))
    assert second.addressed == ("a@x.example", "b@x.example", "f@y.example")
    ledger.take(unblocked(block), b"", NOTIFY, NOW_MS + 300_000)
    ledger.take(blocked("d@x.example"), b"", NOTIFY, NOW_MS + 300_000)
    addressed = {each.kind: each.addressed for each in notifications(ledger.close_due(NOW_MS + 400_000))}
    assert addressed[Kind.BLOCKED] == ("a@x.example", "b@x.example")
    assert addressed[Kind.UNBLOCKED] == ("a@x.example", "b@x.example", "f@y.example"), "he was told of the block"


@pytest.mark.parametrize("sender", ["A@X.Example", "a+lists@x.example", "a@bücher.example", "a@xn--bcher-kva.example"])
def test_it_is_the_mailbox_that_counts_however_its_address_is_written(sender: str) -> None:
    recipient = "a+abuse@x.example" if "x.example" in sender.lower() else "a@Bücher.example"
    _, notification = sent_off(blocked(sender), notify=replace(NOTIFY, recipients=(recipient,)))
    assert notification.addressed == (recipient, "f@y.example")


def test_a_recipient_who_is_blocked_in_another_partition_counts_too() -> None:
    elsewhere: set[str] = set()
    ledger = Ledger(RULES, elsewhere)
    ledger.take(blocked("one@x.example"), b"", NOTIFY, NOW_MS)
    elsewhere.add("a@x.example")
    assert [each.addressed for each in notifications(ledger.close_due(NOW_MS + 60_000))] == [
        ("a@x.example", "b@x.example", "f@y.example")
    ]


@pytest.mark.parametrize("result", [ACCEPTED, LATER, UNANSWERED])
def test_one_who_is_blocked_after_the_digest_was_closed_brings_the_fallback_in_with_his_attempt(result: Result) -> None:
    ledger, notification = sent_off(blocked("one@x.example"))
    assert notification.addressed == ("a@x.example", "b@x.example")
    ledger.take(blocked("b@x.example"), b"", NOTIFY, NOW_MS + 60_001)
    ledger.attempted(notification.key, "a@x.example", ACCEPTED, NOW_MS + 60_002)
    assert "f@y.example" not in states(ledger, notification), "the other recipient is not blocked"
    ledger.attempted(notification.key, "b@x.example", result, NOW_MS + 60_002)
    assert states(ledger, notification)["f@y.example"] is State.PENDING


def test_told_is_who_got_the_mail_and_is_not_blocked_himself() -> None:
    ledger, notification = sent_off(blocked("a@x.example"))
    results: dict[str, Result] = {"a@x.example": ACCEPTED, "b@x.example": REFUSED, "f@y.example": REFUSED}
    for recipient, result in results.items():
        ledger.attempted(notification.key, recipient, result, NOW_MS)
    assert ledger.notification(notification.key).stage is Stage.FINISHED
    assert ledger.told(notification.key) == []


def test_the_shortest_delay_of_those_who_join_holds() -> None:
    ledger = Ledger(RULES)
    ledger.take(blocked("one@x.example"), b"", NOTIFY, NOW_MS)
    ledger.take(blocked("two@x.example"), b"", replace(NOTIFY, digest_delay_ms=5_000), NOW_MS + 1_000)
    ledger.take(blocked("three@x.example"), b"", NOTIFY, NOW_MS + 2_000)
    assert notifications(ledger.close_due(NOW_MS + 5_999)) == []
    (notification,) = notifications(ledger.close_due(NOW_MS + 6_000))
    assert len(ledger.accounts(notification.key)) == 3


@pytest.mark.parametrize(
    "other", [{"language": "nl"}, {"time_zone": "Europe/Amsterdam"}, {"fallback": ()}, {"readers_are_staff": True}]
)
def test_those_who_are_told_in_different_ways_share_no_mail(other: dict[str, Any]) -> None:
    ledger = Ledger(RULES)
    ledger.take(blocked("one@x.example"), b"", NOTIFY, NOW_MS)
    ledger.take(blocked("two@x.example"), b"", replace(NOTIFY, **other), NOW_MS)
    assert len(notifications(ledger.close_due(NOW_MS + 60_000))) == 2


def test_nobody_to_tell_means_the_fallback() -> None:
    _, notification = sent_off(blocked(), notify=replace(NOTIFY, recipients=()))
    assert notification.addressed == ("f@y.example",)


def test_nobody_at_all_is_finished_at_once() -> None:
    ledger = Ledger(RULES)
    ledger.take(blocked(), b"", Notify(()), NOW_MS)
    changes = notifications(ledger.close_due(NOW_MS + 60_000))
    assert [(each.stage, each.addressed) for each in changes] == [(Stage.SENDING, ()), (Stage.FINISHED, ())]


def test_the_unblock_goes_to_those_who_were_told_of_the_block_in_the_same_thread() -> None:
    block = blocked()
    ledger, told = sent_off(block, notify=replace(NOTIFY, language="nl", time_zone="Europe/Amsterdam"))
    ledger.take(unblocked(block), b"", Notify(("changed@x.example",)), NOW_MS + DAY_MS)
    (notification,) = notifications(ledger.close_due(NOW_MS + 2 * DAY_MS))
    assert notification.kind is Kind.UNBLOCKED
    assert notification.references == (told.message_id,)
    assert (notification.recipients, notification.language) == (told.recipients, "nl")


def test_an_unblock_whose_block_is_not_known_goes_to_whom_the_policy_names() -> None:
    _, notification = sent_off(unblocked(blocked()))
    assert (notification.references, notification.addressed) == ((), NOTIFY.recipients)


def test_what_no_longer_holds_when_the_mail_is_closed_is_marked() -> None:
    """An account that is still misused at midnight is unblocked and blocked again within the digest delay."""
    first, second = blocked(), replace(blocked(), position=replace(blocked().position, offset=1))
    ledger = Ledger(RULES)
    for event in (first, unblocked(first), second):
        ledger.take(event, b"", NOTIFY, NOW_MS)
    overtaken = {each.kind: each.overtaken for each in notifications(ledger.close_due(NOW_MS + 60_000))}
    assert overtaken == {Kind.BLOCKED: (first.event_id,), Kind.UNBLOCKED: (unblocked(first).event_id,)}


# -- deliveries --------------------------------------------------------------------------------------------------------


def test_a_mail_is_finished_when_each_outcome_is_final() -> None:
    ledger, notification = sent_off(blocked())
    assert notifications(ledger.attempted(notification.key, "a@x.example", ACCEPTED, NOW_MS)) == []
    (finished,) = notifications(ledger.attempted(notification.key, "b@x.example", ACCEPTED, NOW_MS + 5))
    assert (finished.stage, finished.finished_at_ms) == (Stage.FINISHED, NOW_MS + 5)


def test_one_5xx_of_three_brings_the_fallback_in_once() -> None:
    ledger, notification = sent_off(
        blocked(), notify=replace(NOTIFY, recipients=("a@x.example", "b@x.example", "c@x.example"))
    )
    ledger.attempted(notification.key, "a@x.example", REFUSED, NOW_MS)
    ledger.attempted(notification.key, "b@x.example", REFUSED, NOW_MS)
    ledger.attempted(notification.key, "c@x.example", ACCEPTED, NOW_MS)
    assert states(ledger, notification) == {
        "a@x.example": State.REJECTED,
        "b@x.example": State.REJECTED,
        "c@x.example": State.ACCEPTED,
        "f@y.example": State.PENDING,
    }
    (finished,) = notifications(ledger.attempted(notification.key, "f@y.example", ACCEPTED, NOW_MS))
    assert finished.stage is Stage.FINISHED


def test_a_deferred_mail_waits_and_an_unanswered_one_is_remembered() -> None:
    ledger, notification = sent_off(blocked())
    for result in (LATER, UNANSWERED, LATER):
        ledger.attempted(notification.key, "a@x.example", result, NOW_MS)
    delivery = ledger.delivery(notification.key, "a@x.example")
    assert delivery is not None
    assert (delivery.state, delivery.attempts, delivery.unanswered) == (State.PENDING, 3, 1)
    assert delivery.next_attempt_ms is not None
    assert delivery.next_attempt_ms > NOW_MS


def test_after_three_days_it_is_given_up_and_the_fallback_is_told() -> None:
    ledger, notification = sent_off(blocked())
    ledger.attempted(notification.key, "a@x.example", LATER, NOW_MS)
    ledger.attempted(notification.key, "a@x.example", LATER, NOW_MS + 3 * DAY_MS)
    assert states(ledger, notification)["a@x.example"] is State.GIVEN_UP
    assert states(ledger, notification)["f@y.example"] is State.PENDING


def test_a_result_that_comes_late_changes_no_final_outcome() -> None:
    ledger, notification = sent_off(blocked())
    ledger.attempted(notification.key, "a@x.example", ACCEPTED, NOW_MS)
    assert ledger.attempted(notification.key, "a@x.example", REFUSED, NOW_MS) == []
    assert ledger.attempted("no such mail", "a@x.example", REFUSED, NOW_MS) == []


def test_everything_of_a_finished_mail_is_erased_after_ninety_days() -> None:
    ledger, notification = sent_off(blocked("one@x.example"), blocked("two@x.example"))
    ledger.attempted(notification.key, "a@x.example", ACCEPTED, NOW_MS)
    ledger.attempted(notification.key, "b@x.example", REFUSED, NOW_MS)
    ledger.attempted(notification.key, "f@y.example", ACCEPTED, NOW_MS)
    assert ledger.expire(NOW_MS + 90 * DAY_MS - 1) == []
    erased = {change.key for change in ledger.expire(NOW_MS + 90 * DAY_MS) if isinstance(change, Erased)}
    identifier = notification.notification_id
    events_of = {f"{identifier}/event/{blocked(name).event_id}" for name in ("one@x.example", "two@x.example")}
    told = {f"{identifier}/to/{name}" for name in ("a@x.example", "b@x.example", "f@y.example")}
    assert erased == {identifier} | events_of | told


# -- restore -----------------------------------------------------------------------------------------------------------


def picture(ledger: Ledger) -> dict[str, Any]:
    """All that a ledger knows, in an order of its own."""
    return {
        "folders": {
            key: (folder.notification, dict(sorted(folder.accounts.items())), dict(sorted(folder.deliveries.items())))
            for key, folder in sorted(ledger._folders.items())
        },
        "gathering": dict(sorted(ledger._gathering.items())),
        "told": dict(sorted(ledger._told_of_block.items())),
        "blocked": dict(sorted(ledger._blocks._senders.items())),
        "mailboxes": (dict(sorted(ledger._blocks._blocked.items())), dict(sorted(ledger._blocks._mailboxes.items()))),
        "events": sorted(ledger._events),
        "pending": sorted(ledger.pending(), key=lambda delivery: delivery.key),
    }


class LedgerMachine(RuleBasedStateMachine):
    """Any history of a ledger, beside the compacted topic that its changes make."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = NOW_MS
        self.ledger = Ledger(RULES)
        self.topic: dict[str, Entry] = {}
        self.blocks: list[SenderBlocked] = []
        self.number = 0

    def record(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if isinstance(change, Erased):
                self.topic.pop(change.key, None)
            else:
                name, record = to_record(change)
                # Through the bytes: the schemas must be able to say all that the ledger knows.
                self.topic[change.key] = from_record(name, avro.decode_body(name, avro.encode_body(name, record)))

    @rule(tenant=tenants, sender=st.sampled_from(["a@x.example", "u1@x.example", "u2@x.example"]), notify=notifies)
    def block(self, tenant: str, sender: str, notify: Notify) -> None:
        self.number += 1
        block = blocked(sender, tenant=tenant)
        block = replace(block, position=replace(block.position, offset=self.number))
        self.blocks.append(block)
        self.record(self.ledger.take(block, b"payload", notify, self.now_ms))

    @rule(index=st.integers(0, 10))
    def unblock(self, index: int) -> None:
        if self.blocks:
            block = self.blocks.pop(index % len(self.blocks))
            self.record(self.ledger.take(unblocked(block), b"payload", NOTIFY, self.now_ms))

    @rule(passed_ms=st.sampled_from([1_000, 30_000, 60_000, DAY_MS, 100 * DAY_MS]))
    def wait(self, passed_ms: int) -> None:
        self.now_ms += passed_ms
        self.record(self.ledger.close_due(self.now_ms))
        self.record(self.ledger.expire(self.now_ms))

    @rule(index=st.integers(0, 20), result=st.sampled_from([ACCEPTED, REFUSED, LATER, UNANSWERED]))
    def attempt(self, index: int, result: Result) -> None:
        pending = sorted(self.ledger.pending(), key=lambda delivery: delivery.key)
        if pending:
            chosen: Delivery = pending[index % len(pending)]
            self.record(self.ledger.attempted(chosen.notification_id, chosen.recipient, result, self.now_ms))

    @invariant()
    def a_ledger_made_from_the_topic_is_the_same(self) -> None:
        assert picture(Ledger.restored(RULES, self.topic.values())) == picture(self.ledger)

    @invariant()
    def the_order_in_which_the_topic_is_read_does_not_matter(self) -> None:
        assert picture(Ledger.restored(RULES, reversed(self.topic.values()))) == picture(self.ledger)


LedgerMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestRestoreCommutes = LedgerMachine.TestCase


@given(st.sampled_from(["account", "delivery"]))
def test_what_belongs_to_no_notification_is_left_out(part: str) -> None:
    orphan: Entry = (
        Account("gone", "event", 0, "a@x.example", None, 3, b"")
        if part == "account"
        else Delivery("gone", "a@x.example", next_attempt_ms=NOW_MS)
    )
    assert picture(Ledger.restored(RULES, [orphan])) == picture(Ledger(RULES))
