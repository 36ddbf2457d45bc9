"""The whole history of a sender as people and programs read it: what happened, on what evidence, and which mails told of it."""

from collections.abc import Iterator, Sequence
from typing import Any

from processor.cli.printing import json_line
from processor.cli.restricted_table import cause, count, exceeded, name_of, said, until
from processor.cli.times import shown
from processor.kafka.cloudevents import rfc3339
from processor.kafka.event_log import LoggedEvent
from processor.kafka.sender_history import Mail
from processor.notification.notices import Delivery, Notification, Stage, State
from processor.restrictions.events import (
    Cause,
    CommandRefused,
    Evidence,
    Published,
    SenderAlerted,
    SenderBlocked,
    UnblockReason,
    WindowCounters,
)

_INDENT = " " * 22
"""As wide as a time and the gap after it."""
_STATES = {
    State.PENDING: "not yet",
    State.ACCEPTED: "accepted",
    State.REJECTED: "refused for good",
    State.GIVEN_UP: "given up",
}


def history_json(
    sender: str, in_force: LoggedEvent | None, events: Sequence[LoggedEvent], mails: Sequence[Mail] | None
) -> str:
    """Everything as one JSON object; events are CloudEvents, as `senderwatch events` shows them."""
    return json_line(
        {
            "sender": sender,
            "restricted": in_force is not None,
            "in_force": None if in_force is None else in_force.as_cloudevent(),
            "events": [event.as_cloudevent() for event in events],
            "mails": None if mails is None else [_mail_json(mail) for mail in mails],
        }
    )


def standing(sender: str, in_force: SenderBlocked | None) -> str:
    """Whether the sender is restricted now."""
    if in_force is None:
        return f"{name_of(sender)} is not restricted now"
    return (
        f"{name_of(sender)} of tenant {name_of(in_force.tenant_id)} is restricted since {shown(in_force.blocked_at_ms)}, "
        f"{until(in_force)}: block {in_force.block_id}"
    )


def event_lines(logged: LoggedEvent) -> Iterator[str]:
    """One event: when and what on the first line, its facts on further ones."""
    event = logged.event
    if event is None:
        yield f"{_INDENT}{name_of(logged.name)}: an event that is newer than this senderwatch"
        return
    first, *more = _facts(event)
    yield f"{shown(event.occurred_at_ms)}  {first}"
    yield from (f"{_INDENT}{line}" for line in more)


def mail_lines(mail: Mail) -> Iterator[str]:
    """One mail: when and of what kind, then each recipient."""
    notification = mail.notification
    told = count(len(mail.event_ids), "event") + " of this sender"
    yield f"{shown(notification.closed_at_ms or notification.opened_at_ms)}  {notification.kind.value}: {told}"
    yield f"{_INDENT}Message-ID {said(notification.message_id)}"
    if notification.stage is Stage.GATHERING:
        yield f"{_INDENT}gathers further accounts until {shown(notification.closes_at_ms)}"
    yield from (f"{_INDENT}{line}" for line in map(_delivery, _deliveries(mail)))


def _facts(event: Published) -> Iterator[str]:
    if isinstance(event, SenderBlocked):
        yield f"blocked {until(event)}: {cause(event)}"
        if event.evidence is not None:
            yield from _evidence(event.evidence, event.action)
        yield f"{count(event.previous_blocks, 'block')} in the 30 days before, {count(event.previous_unblocks, 'unblock')} by an admin"
        yield f"block {event.block_id}" + _by_command(event.command_id)
    elif isinstance(event, SenderAlerted):
        held = event.cause is Cause.BRAKE
        yield f"{'held back by the brake, not blocked' if held else 'limit exceeded, not blocked'}: {exceeded(event.evidence)}"
        yield from _evidence(event.evidence, event.action)
        yield f"event {event.event_id}"
    elif isinstance(event, CommandRefused):
        yield f"command refused ({event.reason.value}): {said(event.message)}"
        yield f"command {said(event.command_id)}"
    else:
        expired = event.reason is UnblockReason.EXPIRED
        by = f" by {name_of(event.released_by)}" if event.released_by else ""
        yield "the block ended by its own time" if expired else f"unblocked{by}"
        if event.comment:
            yield f"comment: {said(event.comment)}"
        if event.ticket:
            yield f"ticket: {said(event.ticket)}"
        yield f"block {said(event.block_id)}" + _by_command(event.command_id)


def _evidence(evidence: Evidence, action: str) -> Iterator[str]:
    trigger = evidence.trigger
    yield f"policy {name_of(evidence.policy)}, version {said(evidence.policy_version)}, action {name_of(action)}"
    yield f"window {shown(evidence.window_start_ms)} to {shown(evidence.window_end_ms)}"
    yield f"hour: {_counters(evidence.hour)}"
    yield f"day: {_counters(evidence.day)}"
    message = f"message {said(trigger.message_id)}" if trigger.message_id else "a message without Message-ID"
    origin = f" from {said(trigger.client_ip)}" if trigger.client_ip else ""
    yield f"tipped by {message}{origin}: {name_of(trigger.verdict)}, event {said(trigger.event_id)}"


def _counters(counters: WindowCounters) -> str:
    return (
        f"{count(counters.messages, 'message')}, {counters.spam_messages:,} of them spam; "
        f"{count(counters.internal_recipients, 'internal recipient')}, {counters.external_recipients:,} external"
    )


def _by_command(command_id: str | None) -> str:
    return f", by command {said(command_id)}" if command_id else ""


def _deliveries(mail: Mail) -> list[Delivery]:
    """Each recipient's delivery; one that the ledger does not have yet was not tried."""
    known = {delivery.recipient: delivery for delivery in mail.deliveries}
    notification = mail.notification
    for recipient in notification.addressed or notification.recipients:
        known.setdefault(recipient, Delivery(notification.notification_id, recipient, next_attempt_ms=None))
    return list(known.values())


def _delivery(delivery: Delivery) -> str:
    to = f"to {name_of(delivery.recipient)}{' (fallback)' if delivery.is_fallback else ''}"
    when = "" if delivery.last_attempt_ms is None else f" {shown(delivery.last_attempt_ms)}"
    tries = f" after {count(delivery.attempts, 'attempt')}" if delivery.attempts else ""
    reply = f": {said(delivery.reply)}" if delivery.reply else ""
    later = f"; again {shown(delivery.next_attempt_ms)}" if delivery.next_attempt_ms and delivery.attempts else ""
    return f"{to}: {_STATES[delivery.state]}{when}{tries}{reply}{later}"


def _mail_json(mail: Mail) -> dict[str, Any]:
    notification: Notification = mail.notification
    return {
        "notification_id": notification.notification_id,
        "kind": notification.kind.name,
        "tenant_id": notification.tenant_id,
        "message_id": notification.message_id,
        "stage": notification.stage.value,
        "opened_at": rfc3339(notification.opened_at_ms),
        "closed_at": _optional(notification.closed_at_ms),
        "finished_at": _optional(notification.finished_at_ms),
        "event_ids": list(mail.event_ids),
        "deliveries": [_delivery_json(delivery) for delivery in _deliveries(mail)],
    }


def _delivery_json(delivery: Delivery) -> dict[str, Any]:
    return {
        "recipient": delivery.recipient,
        "is_fallback": delivery.is_fallback,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "first_attempt_at": _optional(delivery.first_attempt_ms),
        "last_attempt_at": _optional(delivery.last_attempt_ms),
        "next_attempt_at": _optional(delivery.next_attempt_ms),
        "phase": delivery.phase.value if delivery.phase else None,
        "code": delivery.code,
        "reply": delivery.reply,
    }


def _optional(time_ms: int | None) -> str | None:
    return None if time_ms is None else rfc3339(time_ms)
