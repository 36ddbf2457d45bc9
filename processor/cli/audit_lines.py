"""The report of an audit as people and programs read it on a terminal: lines of text, or of JSON."""

from collections.abc import Iterator, Sequence

from processor.audit.findings import Finding
from processor.audit.replay import Fault, LogFault
from processor.audit.report import AuditReport, PartitionAudit
from processor.audit.rows import fault_rows, finding_rows, partition_rows, summary_row
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
from processor.cli.printing import columns, json_line

MOST = 50
"""So many partitions, findings and faults are told one by one; --json has all."""
_COLUMN_MAX = 60
_HEAD = (
    "PARTITION", "VERDICTS AT", "DECIDED AGAIN", "UP TO", "MATCHED", "NOT YET PROCESSED", "FINDINGS", "FAULTS", "BEGAN AT",
)  # fmt: skip
_INDENT = "    "


def lines(report: AuditReport, most: int = MOST) -> Iterator[str]:
    """The partitions, each finding with its evidence, the faults of the logs, what could not be audited, and the verdict."""
    yield from _partitions(report.partitions, most)
    for finding in report.findings[:most]:
        yield ""
        yield from _finding(finding)
    yield from _more(len(report.findings) - most, "finding")
    if report.faults:
        yield ""
        yield from map(fault_line, report.faults[:most])
        yield from _more(len(report.faults) - most, "fault")
    unaudited = [each for each in report.partitions if each.unaudited is not None]
    if unaudited:
        yield ""
        yield from (f"not audited, partition {each.partition}: {said(each.unaudited)}" for each in unaudited[:most])
        yield from _more(len(unaudited) - most, "partition")
    yield ""
    if report.not_yet_processed:
        # A range that was asked for may end before the pins; what lies behind its end was processed, but is not judged either.
        yield f"{count(report.not_yet_processed, 'event')} beyond the pins, or the end of the range: not judged"
    yield verdict(report)


def json_lines(report: AuditReport) -> Iterator[str]:
    """A line a partition, a fault, a finding, and last the summary with the pins. The same report gives the same bytes."""
    for kind, rows in (
        ("partition", partition_rows(report)),
        ("fault", fault_rows(report)),
        ("finding", finding_rows(report)),
        ("summary", [summary_row(report)]),
    ):
        for row in rows:
            yield json_line({"kind": kind, **row})


def _partitions(partitions: Sequence[PartitionAudit], most: int) -> Iterator[str]:
    shown = sorted(partitions, key=_is_quiet)[:most] if len(partitions) > most else partitions
    rows = [_row(each) for each in sorted(shown, key=lambda each: each.partition)]
    yield from columns([_HEAD, *rows], _COLUMN_MAX)
    if len(partitions) > most:
        rest = sorted(partitions, key=_is_quiet)[most:]
        quiet = "all of which match" if all(map(_is_quiet, rest)) else "--json has all"
        yield f"and {count(len(rest), 'partition')} more, {quiet}"


def _is_quiet(partition: PartitionAudit) -> bool:
    """Whether there is nothing to say of it."""
    return not partition.comparison.findings and not partition.faults and partition.unaudited is None


def _row(each: PartitionAudit) -> tuple[str, ...]:
    return (
        str(each.partition),
        offsets(each.first_offset, each.next_offset),
        f"{each.records:,}",
        "-" if each.last_time_ms < 0 else moment(each.last_time_ms),
        f"{each.comparison.matched:,}",
        f"{each.comparison.not_yet_processed:,}",
        f"{len(each.comparison.findings):,}",
        f"{len(each.faults):,}",
        begun(each),
    )


def _finding(finding: Finding) -> Iterator[str]:
    event = finding.event
    sender, tenant = sender_of(finding)
    at = f" at {moment(event.at_ms)}" if event.at_ms else ""
    yield f"{finding.outcome.value}  {what(event)}: {sender} of tenant {tenant}{at}"
    yield f"{_INDENT}{MEANINGS[finding.outcome]}"
    if finding.differences:
        told = [(each.field, *sides(each)) for each in finding.differences]
        yield from (
            f"{_INDENT}  {line}" for line in columns([("FIELD", "PUBLISHED", "FROM THE LOG"), *told], _COLUMN_MAX)
        )
    evidence = finding.recomputed or event
    if finding.differences:
        yield f"{_INDENT}evidence, as it follows from the log:"
    yield from (
        f"{_INDENT}{line}" for line in columns([(f"{label}:", text) for label, text in facts(evidence)], _COLUMN_MAX)
    )


def fault_line(fault: LogFault) -> str:
    """What is wrong with the logs, and where."""
    word = "GAP" if fault.fault is Fault.RETENTION_GAP else "FAULT"
    return f"{word}  partition {fault.partition}, {place(fault)}: {FAULTS[fault.fault]}: {said(fault.message)}"


def _more(number: int, what_of: str) -> Iterator[str]:
    if number > 0:
        yield f"and {count(number, what_of)} more: --json has all"
