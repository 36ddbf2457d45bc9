"""The ledger's entries as the Avro schemas NotificationIntent, NotificationAccount and NotificationOutcome name them."""

from collections.abc import Mapping
from typing import Any

from processor.notification.kinds import Kind
from processor.notification.notices import Account, Delivery, Entry, Notification, Stage, State
from processor.notification.results import Phase


def to_record(entry: Entry) -> tuple[str, dict[str, Any]]:
    """The schema's name and the record of an entry."""
    if isinstance(entry, Notification):
        return "NotificationIntent", {
            "notification_id": entry.notification_id,
            "kind": entry.kind.name,
            "tenant_id": entry.tenant_id,
            "recipients": list(entry.recipients),
            "fallback": list(entry.fallback),
            "language": entry.language,
            "time_zone": entry.time_zone,
            "readers_are_staff": entry.readers_are_staff,
            "message_id": entry.message_id,
            "opened_at": entry.opened_at_ms,
            "closes_at": entry.closes_at_ms,
            "stage": entry.stage.value,
            "addressed": list(entry.addressed),
            "references": list(entry.references),
            "overtaken": list(entry.overtaken),
            "closed_at": entry.closed_at_ms,
            "finished_at": entry.finished_at_ms,
        }
    if isinstance(entry, Account):
        return "NotificationAccount", {
            "notification_id": entry.notification_id,
            "event_id": entry.event_id,
            "place": entry.place,
            "sender": entry.sender,
            "block_id": entry.block_id,
            "unblocks_without_support": entry.unblocks_without_support,
            "event": entry.payload,
        }
    return "NotificationOutcome", {
        "notification_id": entry.notification_id,
        "recipient": entry.recipient,
        "state": entry.state.value,
        "is_fallback": entry.is_fallback,
        "attempts": entry.attempts,
        "unanswered": entry.unanswered,
        "first_attempt_at": entry.first_attempt_ms,
        "last_attempt_at": entry.last_attempt_ms,
        "next_attempt_at": entry.next_attempt_ms,
        "phase": entry.phase.value if entry.phase else None,
        "code": entry.code,
        "reply": entry.reply,
    }


def from_record(name: str, record: Mapping[str, Any]) -> Entry:
    """The entry of a record. ValueError for another schema, or for a symbol that this version does not know."""
    match name:
        case "NotificationIntent":
            return _notification(record)
        case "NotificationAccount":
            return Account(
                notification_id=record["notification_id"],
                event_id=record["event_id"],
                place=record["place"],
                sender=record["sender"],
                block_id=record["block_id"],
                unblocks_without_support=record["unblocks_without_support"],
                payload=record["event"],
            )
        case "NotificationOutcome":
            return Delivery(
                notification_id=record["notification_id"],
                recipient=record["recipient"],
                state=State(record["state"]),
                is_fallback=record["is_fallback"],
                attempts=record["attempts"],
                unanswered=record["unanswered"],
                first_attempt_ms=record["first_attempt_at"],
                last_attempt_ms=record["last_attempt_at"],
                next_attempt_ms=record["next_attempt_at"],
                phase=Phase(record["phase"]) if record["phase"] is not None else None,
                code=record["code"],
                reply=record["reply"],
            )
        case _:
            raise ValueError(f"{name} is no entry of the notifier's ledger")


def _notification(record: Mapping[str, Any]) -> Notification:
    kinds = {kind.name: kind for kind in Kind}
    if record["kind"] not in kinds:
        raise ValueError(f"the kind {record['kind']} of notification {record['notification_id']} is not known here")
    return Notification(
        notification_id=record["notification_id"],
        kind=kinds[record["kind"]],
        tenant_id=record["tenant_id"],
        recipients=tuple(record["recipients"]),
        fallback=tuple(record["fallback"]),
        language=record["language"],
        time_zone=record["time_zone"],
        readers_are_staff=record["readers_are_staff"],
        message_id=record["message_id"],
        opened_at_ms=record["opened_at"],
        closes_at_ms=record["closes_at"],
        stage=Stage(record["stage"]),
        addressed=tuple(record["addressed"]),
        references=tuple(record["references"]),
        overtaken=tuple(record["overtaken"]),
        closed_at_ms=record["closed_at"],
        finished_at_ms=record["finished_at"],
    )
