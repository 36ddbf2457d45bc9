"""What an audit found, in plain words: for a terminal and a page alike. Names are an attacker's: all that is given is harmless."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from processor.audit.findings import Difference, Event, Finding, Outcome
from processor.audit.replay import Fault, LogFault
from processor.audit.report import AuditReport, PartitionAudit
from processor.notification.sanitise import readable

NAME_MAX = 254
TEXT_MAX = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = "nothing"

FAULTS = {
    Fault.VERDICTS_DIFFER: "verdicts are not those that were decided on",
    Fault.VERDICTS_MISSING: "verdicts are missing",
    Fault.JOURNAL_RECORD_MISSING: "records of the journal are missing",
    Fault.JOURNAL_RECORD_UNEXPECTED: "records of the journal are there more than once, or out of their place",
    Fault.REJECTED_DIFFER: "other verdicts are invalid than the journal says",
    Fault.POLICIES_MISSING: "a version of the policies is missing",
    Fault.COMMAND_MISSING: "a command is missing",
    Fault.RETENTION_GAP: "taken by retention before they were read (no finding)",
}
MEANINGS = {
    Outcome.MISSING: "follows from the log, and was not published",
    Outcome.UNEXPECTED: "was published, and does not follow from the log",
    Outcome.DIFFERENT: "was published otherwise than it follows from the log",
}


def name_of(name: str | None) -> str:
    """A sender's, tenant's or issuer's name on one line, harmless."""
    return _NOTHING if name is None else readable(name, NAME_MAX)


def said(text: str | None) -> str:
    """What somebody wrote, on one line, harmless."""
    return _NOTHING if text is None else readable(text, TEXT_MAX)


def count(number: int, what: str) -> str:
    """So many of something, in English."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def number_of(value: float | None) -> str:
    """A number for people: two decimals at most."""
    if value is None:
        return _NOTHING
    text = f"{value:,.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment(time_ms: int | None) -> str:
    """A time for people: RFC 3339 in UTC, to the second. One that no calendar has, as it was given."""
    if time_ms is None:
        return _NOTHING
    try:
        return f"{_EPOCH + timedelta(milliseconds=time_ms):%Y-%m-%dT%H:%M:%SZ}"
    except OverflowError:
        return f"{time_ms} ms"


def exactly(time_ms: int) -> str:
    """The same to the millisecond."""
    try:
        text = (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds")
    except OverflowError:
        return f"{time_ms} ms"
    return text.replace("+00:00", "Z")


def later(later_ms: int) -> str:
    """How much later something is than something else, or earlier, in its two largest units."""
    if later_ms == 0:
        return "as soon"
    seconds = max(abs(later_ms) // 1000, 1)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    parts = [
        f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")) if number
    ]
    return f"{' '.join(parts[:2])} {'later' if later_ms > 0 else 'earlier'}"


def verdict(report: AuditReport) -> str:
    """What came of it, in one sentence."""
    held = f"{count(report.matched, 'event')}, {count(report.records, 'verdict')}"
    if not report.is_clean:
        faults = sum(fault.fault is not Fault.RETENTION_GAP for fault in report.faults)
        outcomes = Counter(finding.outcome.value.lower() for finding in report.findings)
        each = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items()))
        told = [f"{count(len(report.findings), 'finding')} ({each})"] if report.findings else []
        told += [f"{count(faults, 'fault')} of the logs"] if faults else []
        rest = "" if report.is_complete else "; not everything could be audited"
        return f"{' and '.join(told)}; {count(report.matched, 'event')} of {count(report.records, 'verdict')} matched{rest}"
    if not report.is_complete:
        return f"what could be audited matches: {held}; not everything could be"
    return f"everything matches: {held}"


def offsets(first: int, following: int) -> str:
    """A range of offsets, both ends included; `following` is exclusive."""
    if following <= first:
        return "none"
    return str(first) if following == first + 1 else f"{first} to {following - 1}"


def place(fault: LogFault) -> str:
    """Where a fault is: what it says of no verdict applied before one."""
    if fault.to_offset <= fault.from_offset:
        return f"before offset {fault.from_offset}"
    return (
        f"offset{'s' if fault.to_offset > fault.from_offset + 1 else ''} {offsets(fault.from_offset, fault.to_offset)}"
    )


def begun(partition: PartitionAudit) -> str:
    """Where the replay of a partition began."""
    return f"the snapshot of commit {partition.from_commit}" if partition.from_commit else "the beginning"


def what(event: Event) -> str:
    """What the event says, without whom it is about."""
    record = event.record
    if event.name == "SenderBlocked":
        return "blocked by hand" if record["cause"] == "MANUAL" else "blocked"
    if event.name == "SenderAlerted":
        return "held back by the brake" if record["cause"] == "BRAKE" else "limit exceeded, not blocked"
    if event.name == "SenderUnblocked":
        return "block ended by its time" if record["reason"] == "EXPIRED" else "unblocked"
    if event.name == "CommandRefused":
        return "command refused"
    return name_of(event.name)


def facts(event: Event) -> Iterator[tuple[str, str]]:
    """The evidence of an event: what each fact is called, and what it is."""
    record = event.record
    if record.get("limit_name") is not None:
        yield from _limit(record)
    if event.name == "SenderBlocked":
        until = record["blocked_until"]
        yield "blocked until", "it is lifted" if until is None else moment(until)
        if record["limit_name"] is None:
            yield "by", name_of(record["issued_by"] or "nobody named")
    if event.name == "SenderUnblocked":
        yield "reason", name_of(record["reason"])
        yield "block", said(record["block_id"])
    if event.name == "CommandRefused":
        yield "refused for", f"{name_of(record['reason'])}: {said(record['message'])}"
    elif record.get("reason") is not None and event.name == "SenderBlocked":
        yield "reason", said(record["reason"])
    for field in ("released_by", "ticket", "comment", "command_id"):
        if record.get(field) is not None:
            yield field.removesuffix("_id").replace("_", " "), said(record[field])
    if "previous_blocks" in record:
        yield "30 days before", count(record["previous_blocks"], "block")
    position = event.position
    yield "input", f"{said(position.topic)}, partition {position.partition}, offset {position.offset}"
    yield "event", said(event.event_id)


def _limit(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield (
        "limit",
        f"{name_of(record['limit_name'])}: {number_of(record['observed'])}, allowed {number_of(record['limit'])}",
    )
    yield "window", f"{moment(record['window_start'])} to {moment(record['window_end'])}"
    for window in ("hour", "day"):
        if record[window] is not None:
            yield window, _counters(record[window])
    yield (
        "policy",
        f"{name_of(record['policy'])}, version {said(record['policy_version'])}, action {name_of(record['action'])}",
    )
    if record["trigger"] is not None:
        yield "tipped by", _trigger(record["trigger"])


def _counters(window: Mapping[str, int]) -> str:
    return (
        f"{count(window['messages'], 'message')}, {window['spam_messages']:,} of them spam; "
        f"{count(window['internal_recipients'], 'internal recipient')}, {window['external_recipients']:,} external"
    )


def _trigger(trigger: Mapping[str, str | None]) -> str:
    message_id, client_ip = trigger["message_id"], trigger["client_ip"]
    message = f"message {said(message_id)}" if message_id else "a message without Message-ID"
    origin = f" from {said(client_ip)}" if client_ip else ""
    return f"{message}{origin}: {name_of(trigger['verdict'])}, event {said(trigger['event_id'])}"


_TIME_FIELDS = frozenset(
    {"blocked_at", "blocked_until", "unblocked_at", "alerted_at", "refused_at", "window_start", "window_end"}
)


def sides(difference: Difference) -> tuple[str, str]:
    """The field as it was published, and as it follows from the log."""
    return _value(difference.field, difference.published), _value(difference.field, difference.recomputed)


def _value(field: str, value: Any) -> str:
    if value is None:
        return _NOTHING
    if field in _TIME_FIELDS and isinstance(value, int):
        return exactly(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(int(value)) if float(value).is_integer() else repr(value)
    return said(f"{value}") or "an empty text"


def sender_of(finding: Finding) -> tuple[str, str]:
    """Sender and tenant that a finding is about."""
    record = finding.event.record
    return name_of(record.get("sender") or "?"), name_of(record.get("tenant_id") or "?")
