"""A report as one HTML page that needs nothing but itself: for an auditor to read, keep and print."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from processor.audit.findings import Finding
from processor.audit.pictures import LimitRow, by_limit, by_partition, over_time
from processor.audit.rendering import rendered
from processor.audit.replay import Fault, LogFault
from processor.audit.report import AuditReport, PartitionAudit
from processor.audit.rows import exact
from processor.audit.words import (
    FAULTS,
    MEANINGS,
    begun,
    count,
    facts,
    moment,
    offsets,
    place,
    said,
    sender_of,
    sides,
    verdict,
    what,
)

MOST = 500
"""So many findings, and faults, stand on a page; a browser must still open it."""


def page(report: AuditReport, templates: Mapping[str, str], most: int = MOST) -> str:
    """The page; `templates` are the files of processor/audit/html by name. The same report gives the same bytes."""
    return rendered("report.html", _content(report, most), templates)


def _content(report: AuditReport, most: int) -> Iterator[tuple[str, Any]]:
    time = over_time(report)
    yield "verdict", verdict(report)
    yield "colour", "bad" if not report.is_clean else "good" if report.is_complete else "part"
    yield "figures", list(_figures(report))
    yield (
        "unaudited",
        [{"partition": each.partition, "why": said(each.unaudited)} for each in _partitions(report) if each.unaudited],
    )
    yield "findings", [_finding(each) for each in report.findings[:most]]
    yield "more_findings", _more(len(report.findings) - most, "finding")
    yield "faults", [_fault(each) for each in report.faults[:most]]
    yield "more_faults", _more(len(report.faults) - most, "fault")
    yield "over_time", time and {"plots": time, "each": count(time.hours, "hour")}
    yield "limits", [_limit(row) for row in by_limit(report)]
    yield "by_partition", by_partition(report)
    yield "partitions", [_partition(each) for each in _partitions(report)]
    yield "pins", json.dumps(exact(report.pins), indent=2)


def _figures(report: AuditReport) -> Iterator[tuple[str, str]]:
    yield "verdicts decided again", f"{report.records:,}"
    yield "events matched", f"{report.matched:,}"
    yield "findings", f"{len(report.findings):,}"
    yield "faults of the logs", f"{sum(each.fault is not Fault.RETENTION_GAP for each in report.faults):,}"
    yield "not yet processed", f"{report.not_yet_processed:,}"


def _finding(finding: Finding) -> dict[str, Any]:
    sender, tenant = sender_of(finding)
    event = finding.event
    return {
        "outcome": finding.outcome.value,
        "what": what(event),
        "sender": sender,
        "tenant": tenant,
        "at": moment(event.at_ms) if event.at_ms else "",
        "meaning": MEANINGS[finding.outcome],
        "differences": [(said(each.field), *sides(each)) for each in finding.differences],
        "facts": list(facts(finding.recomputed or event)),
    }


def _fault(fault: LogFault) -> dict[str, Any]:
    return {
        "fault": fault.fault.value.replace("_", " "),
        "is_gap": fault.fault is Fault.RETENTION_GAP,
        "partition": fault.partition,
        "place": place(fault),
        "meaning": FAULTS[fault.fault],
        "message": said(fault.message),
    }


def _limit(row: LimitRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "matched_part": row.matched_part,
        "findings_part": row.findings_part,
        "told": f"{row.matched:,}" + (f" + {count(row.findings, 'finding')}" if row.findings else ""),
    }


def _partition(each: PartitionAudit) -> dict[str, Any]:
    return {
        "partition": each.partition,
        "offsets": offsets(each.first_offset, each.next_offset),
        "records": f"{each.records:,}",
        "up_to": "-" if each.last_time_ms < 0 else moment(each.last_time_ms),
        "began": begun(each),
        "matched": f"{each.comparison.matched:,}",
        "later": f"{each.comparison.not_yet_processed:,}",
        "findings": f"{len(each.comparison.findings):,}",
        "faults": f"{len(each.faults):,}",
    }


def _partitions(report: AuditReport) -> list[PartitionAudit]:
    return sorted(report.partitions, key=lambda each: each.partition)


def _more(number: int, what_of: str) -> str:
    return f"And {count(number, what_of)} more: --json has all." if number > 0 else ""
