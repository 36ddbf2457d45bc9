"""What the ledger holds: a notification, the accounts it tells of, and how its delivery to each recipient stands.

These are the three kinds of ledger entries (design, section 7). Each has a key; a later entry under a key replaces the
earlier one, so that the compacted topic and the memory of a worker say the same.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid5

from processor.notification.kinds import Kind
from processor.notification.results import Phase
from processor.restrictions.events import NAMESPACE

REPLY_MAX_CHARACTERS = 500
SENDER_MAX_CHARACTERS = 320
"""No address is longer; with it a ledger entry is never much larger than the event that it holds."""


class Stage(StrEnum):
    """Where a notification stands: accounts may join, it is being sent, or each recipient's outcome is final."""

    GATHERING = "GATHERING"
    SENDING = "SENDING"
    FINISHED = "FINISHED"


class State(StrEnum):
    """Where the delivery to one recipient stands; all but PENDING are final."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    GIVEN_UP = "GIVEN_UP"


@dataclass(frozen=True, slots=True)
class Notification:
    """One mail to come, under way or done. `addressed` is empty while gathering; the lists hold each address once.

    `overtaken` names the events that no longer held when it was closed: the block had ended, the account was blocked again.

    `closed_at_ms` is the mail's Date and stays, so that a repeat of the mail is the same mail, byte for byte.
    """

    notification_id: str
    kind: Kind
    tenant_id: str
    recipients: tuple[str, ...]
    fallback: tuple[str, ...]
    language: str
    time_zone: str
    readers_are_staff: bool
    message_id: str
    opened_at_ms: int
    closes_at_ms: int
    stage: Stage = Stage.GATHERING
    addressed: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    overtaken: tuple[str, ...] = ()
    closed_at_ms: int | None = None
    finished_at_ms: int | None = None

    @property
    def key(self) -> str:
        return self.notification_id


@dataclass(frozen=True, slots=True)
class Account:
    """An account that a notification tells of, with the whole event as it stood in `sender-restrictions`.

    `place` is its place in the mail, from 0. `sender` is cut at SENDER_MAX_CHARACTERS: the event has it whole. `block_id`
    is None for an alert. `payload` is empty for a finished notification in memory: nobody renders it again.
    """

    notification_id: str
    event_id: str
    place: int
    sender: str
    block_id: str | None
    unblocks_without_support: int
    payload: bytes

    @property
    def key(self) -> str:
        return f"{self.notification_id}/event/{self.event_id}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the delivery to one recipient stands. `next_attempt_ms` is set as long as it is PENDING.

    `unanswered` counts the attempts that ended without a reply to the final dot: each may have arrived all the same.
    """

    notification_id: str
    recipient: str
    next_attempt_ms: int | None
    state: State = State.PENDING
    is_fallback: bool = False
    attempts: int = 0
    unanswered: int = 0
    first_attempt_ms: int | None = None
    last_attempt_ms: int | None = None
    phase: Phase | None = None
    code: int | None = None
    reply: str | None = None

    @property
    def key(self) -> str:
        return f"{self.notification_id}/to/{self.recipient}"


Entry = Notification | Account | Delivery


@dataclass(frozen=True, slots=True)
class Erased:
    """A key whose time is over; in the topic a tombstone."""

    key: str


Change = Notification | Account | Delivery | Erased


def notification_id(kind: Kind, tenant_id: str, recipients: tuple[str, ...], first_event_id: str) -> str:
    """The UUIDv5 of kind, tenant, recipients and the first event's id (design, section 7)."""
    # JSON, because no tenant name can make two different lists look alike in it.
    return str(uuid5(NAMESPACE, json.dumps([kind.value, tenant_id, list(recipients), first_event_id])))
