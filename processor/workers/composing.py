"""From an event's bytes to an event, and from a notification to a mail in its envelope."""

from typing import Any

from processor.avro import Undecodable, UndecodableRecord
from processor.kafka.serde import Serde
from processor.notification.ledger import Ledger
from processor.notification.message import Envelope
from processor.notification.rendering import BrokenTemplates
from processor.restrictions.events import RestrictionEvent, SenderAlerted, SenderBlocked, SenderUnblocked
from processor.workers.mail_writing import MailWriter

_EVENTS: dict[str, type[SenderBlocked | SenderUnblocked | SenderAlerted]] = {
    "SenderBlocked": SenderBlocked,
    "SenderUnblocked": SenderUnblocked,
    "SenderAlerted": SenderAlerted,
}


class CannotCompose(Exception):
    """The mail cannot be written now: a template or an event is at fault. Mended, it goes out."""


def event_of(serde: Serde, payload: bytes | None) -> RestrictionEvent | None:
    """The event in a value of `sender-restrictions`; None for one that no mail tells of (a refused command).

    Raises UndecodableRecord, also for a symbol that is newer than this version.
    """
    name, record = serde.decode(payload)
    if name not in _EVENTS:
        return None
    return _made(name, record)


def _made(name: str, record: dict[str, Any]) -> RestrictionEvent:
    try:
        return _EVENTS[name].from_record(record)
    except (ValueError, KeyError, TypeError) as problem:
        raise UndecodableRecord(Undecodable.UNKNOWN_SCHEMA, f"{name}: {problem}") from problem


class Composer:
    """Writes the mails that a ledger says are to be sent."""

    def __init__(self, serde: Serde, writer: MailWriter) -> None:
        self._serde = serde
        self._writer = writer

    def envelope(self, ledger: Ledger, notification_id: str, recipient: str) -> Envelope:
        """The mail of a notification that is being sent, for one recipient. Raises CannotCompose."""
        notification = ledger.notification(notification_id)
        try:
            accounts = [
                (account, event)
                for account in ledger.accounts(notification_id)
                if (event := event_of(self._serde, account.payload)) is not None
            ]
            rendered = self._writer.rendered(notification, accounts)
        except (BrokenTemplates, UndecodableRecord) as problem:
            raise CannotCompose(str(problem)) from problem
        return self._writer.envelope(notification, rendered, recipient)
