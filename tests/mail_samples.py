"""Events and notifications with readable values, for tests of mails."""

from dataclasses import replace
from hashlib import blake2b
from typing import Any

from processor.notification.digest import closed, joined, opened
from processor.notification.notices import Account, Notification
from processor.policies.recipients import Notify
from processor.restrictions.events import (
    Cause,
    Evidence,
    Position,
    RestrictionEvent,
    SenderAlerted,
    SenderBlocked,
    SenderUnblocked,
    Trigger,
    UnblockReason,
    WindowCounters,
)

NOW_MS = 1_795_502_100_000
"""Tuesday 24 November 2026, 06:35 UTC."""
HOUR_MS = 3_600_000


def evidence(**changes: Any) -> Evidence:
    """Eleven spam messages in an hour where ten are allowed."""
    base = Evidence(
        policy="default",
        policy_version="3f2a9c1b",
        limit_name="spam_messages_per_hour",
        limit=10.0,
        observed=11.0,
        window_start_ms=NOW_MS - 55 * 60_000,
        window_end_ms=NOW_MS + 5 * 60_000,
        hour=WindowCounters(40, 11, 3, 400),
        day=WindowCounters(80, 11, 3, 500),
        trigger=Trigger("evt-1", "<20261124063412.8812@school.example>", "203.0.113.77", "HIGH_CONFIDENCE_SPAM"),
    )
    return replace(base, **changes)


def blocked(sender: str = "anna@school.example", *, tenant: str = "school", **changes: Any) -> SenderBlocked:
    """A block until tomorrow; each sender's event stands at a place of its own."""
    base = SenderBlocked(
        tenant_id=tenant,
        sender=sender,
        cause=Cause.LIMIT,
        blocked_at_ms=NOW_MS,
        blocked_until_ms=NOW_MS + 17 * HOUR_MS,
        action="block_until_tomorrow",
        previous_blocks=1,
        position=position_of(f"{tenant}/{sender}"),
        evidence=evidence(),
    )
    return replace(base, **changes)


def unblocked(block: SenderBlocked, **changes: Any) -> SenderUnblocked:
    """The end of `block`, by its time."""
    base = SenderUnblocked(
        block_id=block.block_id,
        tenant_id=block.tenant_id,
        sender=block.sender,
        reason=UnblockReason.EXPIRED,
        unblocked_at_ms=NOW_MS + 17 * HOUR_MS,
        position=position_of(f"{block.tenant_id}/{block.sender}"),
    )
    return replace(base, **changes)


def alerted(
    sender: str = "anna@school.example", *, tenant: str = "school", cause: Cause = Cause.LIMIT
) -> SenderAlerted:
    """A limit exceeded without a block."""
    return SenderAlerted(
        tenant_id=tenant,
        sender=sender,
        cause=cause,
        alerted_at_ms=NOW_MS,
        action="alert",
        previous_blocks=0,
        position=position_of(f"{tenant}/{sender}"),
        evidence=evidence(limit_name="external_recipients_per_hour", limit=500.0, observed=1234.0),
    )


def position_of(name: str) -> Position:
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=6).digest()
    return Position("message-verdicts", 2, int.from_bytes(digest, "big"))


def sending(
    *events: RestrictionEvent, notify: Notify | None = None, overtaken: tuple[str, ...] = ()
) -> tuple[Notification, list[tuple[Account, RestrictionEvent]]]:
    """A closed notification on `events`, with its accounts."""
    notify = notify or Notify(("postmaster@school.example",), time_zone="Europe/Amsterdam")
    digest = opened(events[0], notify, "mail.example.org", NOW_MS)
    accounts = [(joined(event, b"", notify, digest, place), event) for place, event in enumerate(events)]
    return closed(
        digest, blocked_senders=frozenset(), references=(), overtaken=overtaken, now_ms=NOW_MS + 60_000
    ), accounts
