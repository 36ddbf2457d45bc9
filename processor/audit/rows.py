"""A report as rows, for programs: exact values, the same bytes for the same report."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from processor.audit.findings import Event, Finding
from processor.audit.replay import LogFault
from processor.audit.report import AuditReport, PartitionAudit
from processor.audit.words import verdict


def partition_rows(report: AuditReport) -> Iterator[dict[str, Any]]:
    """One a partition. Ranges are half open: `next_offset` is the first that was not audited."""
    for each in _partitions(report):
        yield {
            "partition": each.partition,
            "first_offset": each.first_offset,
            "next_offset": each.next_offset,
            "from_commit": each.from_commit,
            "last_commit": each.last_commit,
            "last_time_ms": None if each.last_time_ms < 0 else each.last_time_ms,
            "records": each.records,
            "matched": each.comparison.matched,
            "not_yet_processed": each.comparison.not_yet_processed,
            "findings": len(each.comparison.findings),
            "faults": len(each.faults),
            "unaudited": each.unaudited,
        }


def fault_rows(report: AuditReport) -> Iterator[dict[str, Any]]:
    """One a fault of the logs."""
    for each in _partitions(report):
        yield from map(fault_row, each.faults)


def fault_row(fault: LogFault) -> dict[str, Any]:
    """A fault of the logs."""
    return {
        "fault": fault.fault.value,
        "partition": fault.partition,
        "from_offset": fault.from_offset,
        "to_offset": fault.to_offset,
        "message": fault.message,
    }


def finding_rows(report: AuditReport) -> Iterator[dict[str, Any]]:
    """One a finding, with both events whole, as their Avro records say them: times are epoch milliseconds."""
    for each in _partitions(report):
        for finding in each.comparison.findings:
            yield _finding_row(each.partition, finding)


def summary_row(report: AuditReport) -> dict[str, Any]:
    """What came of it, and the pins by which the same can be run again."""
    return {
        "verdict": verdict(report),
        "clean": report.is_clean,
        "complete": report.is_complete,
        "partitions": len(report.partitions),
        "records": report.records,
        "matched": report.matched,
        "not_yet_processed": report.not_yet_processed,
        "findings": _sorted(Counter(finding.outcome.value for finding in report.findings)),
        "faults": _sorted(Counter(fault.fault.value for fault in report.faults)),
        "pins": exact(report.pins),
    }


def exact(value: Any) -> Any:
    """The value as JSON can hold it: keys sorted, and a number that is none (a forger may write one) as a word."""
    if isinstance(value, Mapping):
        return {str(key): exact(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [exact(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _finding_row(partition: int, finding: Finding) -> dict[str, Any]:
    event = finding.event
    return {
        "outcome": finding.outcome.value,
        "partition": partition,
        "event": event.name,
        "event_id": event.event_id,
        "sender": event.record.get("sender"),
        "tenant_id": event.record.get("tenant_id"),
        "at_ms": event.at_ms,
        "position": exact(event.record["position"]),
        "differences": [
            {
                "field": each.field,
                "published": exact(each.published),
                "recomputed": exact(each.recomputed),
            }
            for each in finding.differences
        ],
        "published": _record(finding.published),
        "recomputed": _record(finding.recomputed),
    }


def _record(event: Event | None) -> dict[str, Any] | None:
    record: dict[str, Any] | None = None if event is None else exact(event.record)
    return record


def _partitions(report: AuditReport) -> list[PartitionAudit]:
    return sorted(report.partitions, key=lambda each: each.partition)


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
