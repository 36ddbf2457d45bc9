"""The ledgers of the partitions that a notifier owns, and what follows from them for the postman. Knows nothing of Kafka.

`work` applies what happened and says what to record; once that is recorded, `recorded` acts upon it, and if it could not
be, `put_back` keeps the outcomes for the next time. Time is an argument.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from processor.notification.ledger import Ledger
from processor.notification.message import Envelope
from processor.notification.notices import Change, Delivery, Notification, Stage, State
from processor.notification.outgoing import Errand, Outgoing
from processor.notification.reachability import News, Reachability
from processor.notification.results import Accepted, Deferred, PermanentlyRejected, Phase, Result
from processor.policies.recipients import Notify
from processor.restrictions.events import RestrictionEvent
from processor.telemetry import (
    DIGESTS_OPEN,
    MAIL_SERVER_AWAY,
    MAILS,
    MAILS_PENDING,
    REPEATED_MAILS,
    UNTOLD,
    Metrics,
)
from processor.workers import mail_log
from processor.workers.composing import CannotCompose
from processor.workers.postman import Outcome

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TakenUp:
    """An event to be told, whom to tell, and its record's value."""

    partition: int
    event: RestrictionEvent
    payload: bytes
    notify: Notify


@dataclass(frozen=True, slots=True)
class Work:
    """What has been applied to the ledgers at a time and is to be recorded; the outcomes from which some of it follows."""

    now_ms: int
    changes: list[tuple[int, Change]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


class Sender(Protocol):
    """What the desk asks of the postman."""

    def send(self, errand: Errand, envelope: Envelope) -> None: ...
    def outcomes(self, wait_s: float = 0.0) -> list[Outcome]: ...
    def cancel(self, errands: Iterable[Errand]) -> None: ...


class Writer(Protocol):
    """What the desk asks of the composer."""

    def envelope(self, ledger: Ledger, notification_id: str, recipient: str) -> Envelope: ...


class Desk:
    """The notifier without Kafka. `once`: each mail is tried once, whatever its schedule, while the mail server answers."""

    def __init__(
        self,
        composer: Writer,
        postman: Sender,
        outgoing: Outgoing,
        reachability: Reachability,
        metrics: Metrics,
        *,
        once: bool,
    ) -> None:
        self._composer = composer
        self._postman = postman
        self._outgoing = outgoing
        self._reachability = reachability
        self._metrics = metrics
        self._once = once
        self._ledgers: dict[int, Ledger] = {}
        self._kept: list[Outcome] = []
        self._tried: set[Errand] = set()
        self._maybe_sent: set[Errand] = set()
        self._attempts: dict[Errand, int] = {}
        """How many attempts were recorded when what is under way, or still to be recorded, was sent."""

    # -- partitions ---------------------------------------------------------------------------------------------------

    def open(self, partition: int, ledger: Ledger, now_ms: int, *, in_doubt: bool) -> None:
        """A partition's ledger, restored. What it has under way is not sent beside itself.

        `in_doubt`: somebody else may have sent what is due, and not have recorded it.
        """
        self._ledgers[partition] = ledger
        self._outgoing.forget(partition)
        for delivery in ledger.pending():
            errand = Errand(partition, delivery.notification_id, delivery.recipient)
            self._schedule(errand, delivery)
            due = delivery.next_attempt_ms is not None and delivery.next_attempt_ms <= now_ms
            if in_doubt and due and errand not in self._outgoing.under_way:
                self._maybe_sent.add(errand)

    def close(self, partitions: Iterable[int]) -> None:
        """Partitions that belong to somebody else now; what is under way of them is broken off."""
        for partition in partitions:
            self._ledgers.pop(partition, None)
            self._outgoing.forget(partition)
            self._maybe_sent = {errand for errand in self._maybe_sent if errand.partition != partition}
            self.break_off([partition])

    def break_off(self, partitions: Iterable[int]) -> list[Errand]:
        """Ends the deliveries of these partitions that are still under way; their outcomes come as usual."""
        errands = self.under_way(partitions)
        self._postman.cancel(errands)
        return errands

    def under_way(self, partitions: Iterable[int]) -> list[Errand]:
        """The deliveries of these partitions that have started and whose outcome is not recorded."""
        wanted = set(partitions)
        return sorted(errand for errand in self._outgoing.under_way if errand.partition in wanted)

    @property
    def in_doubt(self) -> set[int]:
        """Partitions of which somebody may have sent a mail that was neither recorded nor sent again."""
        return {errand.partition for errand in self._maybe_sent}

    @property
    def idle(self) -> bool:
        """Nothing is gathered, waits, is under way or is still to be recorded."""
        return not self._kept and not len(self._outgoing) and not any(each.gathering for each in self._ledgers.values())

    @property
    def is_sending(self) -> bool:
        """Something is under way, or has ended and is still to be recorded."""
        return bool(self._kept or self._outgoing.is_sending)

    @property
    def deferred(self) -> int:
        """How many mails are not final, by recipient."""
        return sum(1 for ledger in self._ledgers.values() for _ in ledger.pending())

    # -- what happens -------------------------------------------------------------------------------------------------

    def work(self, events: Iterable[TakenUp], now_ms: int, *, close_all: bool = False, wait_s: float = 0.0) -> Work:
        """Takes events up, closes digests, files outcomes, erases what is old. Every change is applied on return."""
        work = Work(now_ms, outcomes=[*self._kept, *self._postman.outcomes(wait_s)])
        self._kept = []
        for partition, ledger in self._ledgers.items():
            work.changes.extend((partition, change) for change in ledger.close_due(now_ms))
        for taken in events:
            ledger = self._ledgers[taken.partition]
            changes = ledger.take(taken.event, taken.payload, taken.notify, now_ms)
            work.changes.extend((taken.partition, change) for change in changes)
        for partition, ledger in self._ledgers.items():
            if close_all:
                work.changes.extend((partition, change) for change in ledger.close_due(now_ms, everything=True))
            work.changes.extend((partition, change) for change in ledger.expire(now_ms))
        work.changes.extend(self._filed(work.outcomes, now_ms))
        return work

    def put_back(self, work: Work) -> None:
        """The work could not be recorded: its outcomes are filed again next time, in ledgers that are made anew."""
        self._kept = [*work.outcomes, *self._kept]

    def recorded(self, work: Work) -> None:
        """The work is recorded: what follows from it may begin."""
        for errand, result in work.outcomes:
            self._outgoing.done(errand)
            self._attempts.pop(errand, None)
            if result is None and errand.partition in self._ledgers:
                self._maybe_sent.add(errand)  # broken off when the partition was lost, which has come back since
            self._metrics.add(MAILS, outcome=_name(result))
            news = self._reachability.heard(result, work.now_ms)
            mail_log.mail_server(news, result)
            if news is News.AWAY and self._once:
                self._leave_the_rest()
        for partition, change in work.changes:
            if isinstance(change, Delivery):
                self._told(partition, change)
                self._schedule(Errand(partition, change.notification_id, change.recipient), change)
            elif isinstance(change, Notification):
                self._act_upon(partition, change)
        self._metrics.set(DIGESTS_OPEN, sum(ledger.gathering for ledger in self._ledgers.values()))
        self._metrics.set(MAILS_PENDING, len(self._outgoing))
        self._metrics.set(MAIL_SERVER_AWAY, self._reachability.is_away)

    def has_due(self, now_ms: int) -> bool:
        """Whether `start_due` may want to send something."""
        return self._reachability.room(now_ms) > 0 and self._outgoing.is_due(now_ms)

    def start_due(self, now_ms: int) -> None:
        """Sends what is due and for what there is room."""
        for errand in self._outgoing.start(now_ms, self._reachability.room(now_ms)):
            delivery = self._due(errand, now_ms)
            if delivery is None:
                self._outgoing.done(errand)
                continue
            if self._once:
                self._tried.add(errand)
            self._count_repeat(errand, delivery)
            self._attempts[errand] = delivery.attempts
            try:
                envelope = self._composer.envelope(
                    self._ledgers[errand.partition], errand.notification_id, errand.recipient
                )
            except CannotCompose as problem:
                _log.exception("a mail cannot be written", notification=errand.notification_id)
                self._kept.append((errand, Deferred(Phase.RENDER, str(problem))))
            else:
                self._postman.send(errand, envelope)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _act_upon(self, partition: int, notification: Notification) -> None:
        match notification.stage:
            case Stage.GATHERING if not notification.recipients and not notification.fallback:
                mail_log.nobody_to_tell(notification)
            case Stage.SENDING:
                for delivery in self._deliveries(partition, notification):
                    self._schedule(Errand(partition, notification.notification_id, delivery.recipient), delivery)
            case Stage.FINISHED:
                self._finished(partition, notification)

    def _filed(self, outcomes: Iterable[Outcome], now_ms: int) -> Iterator[tuple[int, Change]]:
        for errand, result in outcomes:
            ledger = self._ledgers.get(errand.partition)
            if ledger is None:
                if isinstance(result, Accepted):
                    mail_log.accepted_but_lost(errand)
            elif result is not None and not self._is_recorded(ledger, errand, result):
                for change in ledger.attempted(errand.notification_id, errand.recipient, result, now_ms):
                    yield errand.partition, change

    def _is_recorded(self, ledger: Ledger, errand: Errand, result: Result) -> bool:
        """Whether the attempt counts already: what nobody could say was committed had been. What was accepted is always heard."""
        delivery = ledger.delivery(errand.notification_id, errand.recipient)
        if delivery is None or isinstance(result, Accepted):
            return False
        return delivery.attempts > self._attempts.get(errand, delivery.attempts)

    def _due(self, errand: Errand, now_ms: int) -> Delivery | None:
        """The delivery, unless it is final, no longer ours, or has been put off or tried since it was scheduled."""
        ledger = self._ledgers.get(errand.partition)
        delivery = ledger.delivery(errand.notification_id, errand.recipient) if ledger is not None else None
        if delivery is None or delivery.state is not State.PENDING:
            return None
        if self._once:
            return None if errand in self._tried else delivery
        return delivery if (delivery.next_attempt_ms or 0) <= now_ms else None

    def _schedule(self, errand: Errand, delivery: Delivery) -> None:
        if delivery.state is not State.PENDING or delivery.next_attempt_ms is None:
            return
        if not self._once:
            self._outgoing.schedule(errand, delivery.next_attempt_ms)
        elif errand not in self._tried and not self._reachability.is_away:
            self._outgoing.schedule(errand, 0)

    def _leave_the_rest(self) -> None:
        """With `once`: nobody waits for a mail server that is away; what was not tried stays as it is recorded."""
        for partition in self._ledgers:
            self._outgoing.forget(partition)

    def _deliveries(self, partition: int, notification: Notification) -> Iterator[Delivery]:
        for recipient in notification.addressed:
            delivery = self._ledgers[partition].delivery(notification.notification_id, recipient)
            if delivery is not None:
                yield delivery

    def _count_repeat(self, errand: Errand, delivery: Delivery) -> None:
        cause = "no_reply" if delivery.unanswered else "taken_over" if errand in self._maybe_sent else None
        self._maybe_sent.discard(errand)
        if cause is not None:
            self._metrics.add(REPEATED_MAILS, cause=cause)
            mail_log.sent_again(errand, cause)

    def _told(self, partition: int, delivery: Delivery) -> None:
        """Says how an attempt ended; nothing of a fallback's delivery that has only just been added."""
        if delivery.attempts:
            mail_log.attempt_ended(self._ledgers[partition], delivery)
        if delivery.state is State.GIVEN_UP:
            self._metrics.add(MAILS, outcome="given_up")

    def _finished(self, partition: int, notification: Notification) -> None:
        ledger = self._ledgers[partition]
        if not ledger.told(notification.notification_id):
            self._metrics.add(UNTOLD)
            mail_log.nobody_told(notification, ledger.accepted(notification.notification_id))


def _name(result: Result | None) -> str:
    """The outcome's name in the metrics."""
    if result is None:
        return "broken_off"
    if isinstance(result, Accepted):
        return "accepted"
    if isinstance(result, PermanentlyRejected):
        return "rejected"
    return "deferred" if isinstance(result, Deferred) else "unanswered"
