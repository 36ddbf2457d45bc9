"""What the mails would have said: the notifier's own ledger on events that never were, with every mail taken at once.

The times are those of the events: a digest closes when its delay has passed in the log.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path

from processor.notification.ledger import Ledger, LedgerRules
from processor.notification.notices import Account, Change, Delivery, Notification, Stage, State
from processor.notification.results import Accepted, Reply
from processor.policies.policy import PolicySet
from processor.policies.recipients import Notify
from processor.restrictions.events import CommandRefused, Published, RestrictionEvent
from processor.settings import NotifierSettings
from processor.smtp.outbox import file_name
from processor.workers.audience import Audience, OnePolicySet
from processor.workers.mail_files import WrittenMail, write_index, write_mail
from processor.workers.mail_writing import MailWriter

_TAKEN = Accepted(Reply(250, "taken"))
_SUFFIX = ".eml"


@dataclass(slots=True)
class TriedMails:
    """The mails in their order, the page that links them, and of how many events nobody would have been told."""

    page: Path
    mails: list[WrittenMail] = field(default_factory=list)
    untold: int = 0


def write_tried_mails(
    settings: NotifierSettings, writer: MailWriter, policies: PolicySet, events: Iterable[Published], folder: Path
) -> TriedMails:
    """Every mail of these events, which are in order, as files in `folder`. Raises OSError, BrokenTemplates."""
    folder.mkdir(parents=True, exist_ok=True)
    audience = Audience(OnePolicySet(policies), Notify(settings.operators))
    correspondence = _Correspondence(LedgerRules(settings.message_id_domain), audience)
    written = TriedMails(folder / "index.html")
    for notification, recipients in correspondence.of(events):
        accounts = correspondence.accounts(notification)
        if not recipients:
            written.untold += len(accounts)
        for recipient in recipients:
            name = f"{len(written.mails) + 1:04d}-{notification.kind.value}-{recipient}"
            path = folder / file_name(name).removesuffix(_SUFFIX)
            written.mails.append(write_mail(writer, notification, accounts, recipient, path))
    write_index(folder, written.mails)
    return written


class _Correspondence:
    """A notifier whose clock is that of the log, and whose mail server takes everything."""

    def __init__(self, rules: LedgerRules, audience: Audience) -> None:
        self._ledger = Ledger(rules)
        self._audience = audience
        self._events: dict[str, RestrictionEvent] = {}
        self._closing: list[int] = []

    def accounts(self, notification: Notification) -> list[tuple[Account, RestrictionEvent]]:
        """Whom a mail tells of, and what."""
        return [
            (account, self._events[account.event_id]) for account in self._ledger.accounts(notification.notification_id)
        ]

    def of(self, events: Iterable[Published]) -> Iterator[tuple[Notification, list[str]]]:
        """The mails, each with those who get it; none where there is nobody to tell."""
        now_ms = 0
        for event in events:
            if isinstance(event, CommandRefused):
                continue
            now_ms = max(now_ms, event.occurred_at_ms)
            yield from self._closed_by(now_ms)
            self._events[event.event_id] = event
            for change in self._ledger.take(event, b"", self._audience.of(event), now_ms):
                if isinstance(change, Notification):
                    heappush(self._closing, change.closes_at_ms)
        yield from self._closed_by(None)

    def _closed_by(self, now_ms: int | None) -> Iterator[tuple[Notification, list[str]]]:
        while self._closing and (now_ms is None or self._closing[0] <= now_ms):
            closes_at_ms = heappop(self._closing)
            while changes := self._ledger.close_due(closes_at_ms):
                for change in changes:
                    if isinstance(change, Notification) and change.stage is Stage.SENDING:
                        yield change, self._deliver(change, closes_at_ms)

    def _deliver(self, notification: Notification, now_ms: int) -> list[str]:
        """Everybody takes it; where the recipient himself is blocked the ledger has others told as well."""
        recipients = []
        waiting = list(notification.addressed)
        while waiting:
            recipient = waiting.pop(0)
            recipients.append(recipient)
            changes: list[Change] = self._ledger.attempted(notification.notification_id, recipient, _TAKEN, now_ms)
            waiting += [
                change.recipient for change in changes if isinstance(change, Delivery) and change.state is State.PENDING
            ]
        return recipients
