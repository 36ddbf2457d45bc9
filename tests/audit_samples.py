"""Reports of audits with readable values: a clean one, one with every kind of finding and fault, one full of hostile names."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from processor.audit.findings import Comparison, Event, Finding, Kind, Outcome, Scope, compare
from processor.audit.replay import Fault, LogFault
from processor.audit.report import AuditReport, PartitionAudit
from processor.restrictions.events import (
    Cause,
    CommandRefused,
    Position,
    Published,
    RefusalReason,
    SenderBlocked,
    Trigger,
    UnblockReason,
)
from tests.mail_samples import HOUR_MS, NOW_MS, alerted, blocked, evidence, unblocked

TOPIC = "message-verdicts"
PINS = {
    "topics": {TOPIC: {"0": [0, 2_000_000], "1": [500_000, 2_100_000]}, "sender-restrictions": {"0": [0, 240]}},
    "range": {"from": None, "to": None},
}
HOSTILE = (
    "<script>document.title='owned'</script>",
    "<img src=http://evil.example/a.png>@school.example",
    "\x1b[2J\x1b[31manna\u202egnp.exe@school.example",
    '"><style>body{background:url(http://evil.example/b.png)}</style>',
)


def event_of(event: Published) -> Event:
    return Event(event.event_id, type(event).__name__, event.to_record())


def block(offset: int, sender: str = "anna@school.example", partition: int = 0, **changes: Any) -> SenderBlocked:
    """A block by the verdict at that offset, an hour later for each 10,000."""
    at_ms = NOW_MS + offset // 10_000 * HOUR_MS
    return replace(
        blocked(sender),
        position=Position(TOPIC, partition, offset),
        blocked_at_ms=at_ms,
        blocked_until_ms=at_ms + HOUR_MS,
        **changes,
    )


def partition(
    number: int, comparison: Comparison, *, faults: Sequence[LogFault] = (), **changes: Any
) -> PartitionAudit:
    base = PartitionAudit(number, 0, 2_000_000, 0, 812, 2_000_000, NOW_MS + 60 * HOUR_MS, comparison, tuple(faults))
    return replace(base, **changes)


def compared(published: Sequence[Published], recomputed: Sequence[Published], number: int = 0) -> Comparison:
    by_id: dict[str, list[Event]] = {}
    for event in published:
        by_id.setdefault(event.event_id, []).append(event_of(event))
    scope = Scope(TOPIC, number, 0, 2_000_000, {"restriction-commands": (0, 10)})
    return compare(by_id, [event_of(each) for each in recomputed], scope)


def clean() -> AuditReport:
    """Two partitions in which everything matches."""
    history = [block(offset) for offset in range(0, 600_000, 5_000)]
    others = [block(offset, partition=1) for offset in range(0, 600_000, 200_000)]
    return AuditReport(
        PINS,
        (partition(0, compared(history, history)), partition(1, compared(others, others, 1), first_offset=500_000)),
    )


def troubled() -> AuditReport:
    """Every outcome, every event, every fault; one partition that could not be audited whole."""
    history: list[Published] = [block(offset) for offset in range(0, 600_000, 5_000)]
    history += [
        block(offset, evidence=evidence(limit_name="recipients_per_day", limit=1000, observed=1001, policy="staff"))
        for offset in range(601_000, 660_000, 9_000)
    ]
    by_hand = block(
        610_500,
        "carol@school.example",
        cause=Cause.MANUAL,
        evidence=None,
        issued_by="ann",
        reason="phished",
        command_id="c-1",
    )
    lifted = unblocked(
        by_hand,
        reason=UnblockReason.RELEASED,
        released_by="ann",
        ticket="T-77",
        comment="password changed",
        command_id="c-2",
    )
    lifted = replace(lifted, position=Position("restriction-commands", 0, 4), unblocked_at_ms=NOW_MS + 62 * HOUR_MS)
    refused = CommandRefused(
        "c-3", "school", "dave@school.example", RefusalReason.NOT_RESTRICTED, "dave@school.example is not restricted",
        NOW_MS + 30 * HOUR_MS, Position("restriction-commands", 0, 2),
    )  # fmt: skip
    warned = replace(alerted("erin@school.example", cause=Cause.BRAKE), position=Position(TOPIC, 0, 611_000))
    changed = block(100_000)
    assert changed.evidence is not None
    forged = replace(
        changed,
        blocked_until_ms=None,
        evidence=replace(changed.evidence, observed=9.0, hour=replace(changed.evidence.hour, spam_messages=9)),
    )
    published: list[Published] = [
        *(forged if each == changed else each for each in history if each != block(200_000)),
        block(300_001, "mallory@school.example"), refused, block(2_000_005, "late@school.example"),
    ]  # fmt: skip
    recomputed = [*history, by_hand, lifted, warned]
    faults = [LogFault(fault, 0, 1000 * n, 1000 * n + n, f"fault number {n}") for n, fault in enumerate(Fault)]
    return AuditReport(
        PINS,
        (
            partition(0, compared(published, recomputed), faults=faults),
            partition(
                1,
                compared([], [], 1),
                first_offset=500_000,
                from_commit=411,
                records=1_600_000,
                unaudited="verdicts 0 to 499999: retention has removed them",
            ),
        ),
    )


def hostile() -> AuditReport:
    """Names and texts of an attacker, wherever a record has room for them."""
    findings = []
    for offset, name in enumerate(HOSTILE):
        event = block(
            offset,
            name,
            evidence=evidence(
                policy=name, limit_name=name, trigger=Trigger(name, name, name, "SPAM"), policy_version=name
            ),
        )
        record = event_of(replace(event, tenant_id=name)).record
        findings.append(Finding(Outcome.UNEXPECTED, Event(name, "SenderBlocked", record), None))
    faults = [LogFault(Fault.POLICIES_MISSING, 0, 1, 1, name) for name in HOSTILE]
    comparison = Comparison(0, 0, tuple(findings), {Kind(0, "SenderBlocked", name): 1 for name in HOSTILE})
    return AuditReport({HOSTILE[0]: HOSTILE[1]}, (partition(0, comparison, faults=faults, unaudited=HOSTILE[2]),))
