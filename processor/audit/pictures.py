"""What a report's page draws: decisions over time, blocks by limit, verdicts by partition."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from processor.audit.findings import HOUR_MS, Finding, Kind
from processor.audit.plots import Columns, columns
from processor.audit.report import AuditReport
from processor.audit.time_bins import binned, starts_of, time_ticks, titles
from processor.audit.words import count, name_of

_HEIGHT = 150
_FINDINGS_HEIGHT = 100
_LIMITS_MAX = 20
BY_HAND = "by hand"
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class OverTime:
    """What matched and what was found, by time; `hours` a bar. Findings outside of the time of all else stand at its ends."""

    hours: int
    matched: Columns
    findings: Columns | None
    outside: int


@dataclass(frozen=True, slots=True)
class LimitRow:
    """Blocks by one limit: how many matched, how many findings there are; the parts are of the longest row, in percent."""

    name: str
    matched: int
    findings: int
    matched_part: float
    findings_part: float


def over_time(report: AuditReport) -> OverTime | None:
    """Decisions by the hour, or as many hours as leave the bars apart. None where there were none."""
    matched: Counter[int] = Counter()
    for kind, number in _matched(report):
        matched[kind.hour_ms] += number
    findings = Counter((finding.recomputed or finding.event).kind.hour_ms for finding in report.findings)
    # Who adds an event may give it any time: that must not make a dot of all the others.
    known = {*matched, *(each.recomputed.kind.hour_ms for each in report.findings if each.recomputed)} or {*findings}
    if not known:
        return None
    starts = starts_of(min(known), max(known))
    ticks = time_ticks(starts)
    as_it_was, found = binned(matched, starts), binned(findings, starts)
    return OverTime(
        hours=starts.step // HOUR_MS,
        matched=columns(as_it_was, titles(starts, as_it_was, "matched"), ticks, _HEIGHT),
        findings=columns(found, titles(starts, found, "findings"), ticks, _FINDINGS_HEIGHT) if findings else None,
        outside=sum(number for hour, number in findings.items() if not starts.start <= hour <= max(known)),
    )


def by_limit(report: AuditReport) -> tuple[LimitRow, ...]:
    """Blocks by the limit that was passed, the most first."""
    matched: Counter[str] = Counter()
    for kind, number in _matched(report):
        if kind.name == "SenderBlocked":
            matched[_limit(kind)] += number
    findings = Counter(_limit(kind) for kind in map(_kind, report.findings) if kind.name == "SenderBlocked")
    names = sorted({*matched, *findings}, key=lambda name: (-matched[name] - findings[name], name))
    # The limits are few; a forger's names need not be.
    for name in names[_LIMITS_MAX:]:
        matched[OTHERS] += matched.pop(name, 0)
        findings[OTHERS] += findings.pop(name, 0)
    shown = names[:_LIMITS_MAX] + ([OTHERS] if len(names) > _LIMITS_MAX else [])
    longest = max((matched[name] + findings[name] for name in shown), default=1)
    return tuple(
        LimitRow(
            name_of(name),
            matched[name],
            findings[name],
            part_of(matched[name], longest),
            part_of(findings[name], longest),
        )
        for name in shown
    )


def by_partition(report: AuditReport) -> Columns | None:
    """Verdicts that were decided on again. None where one bar would say nothing."""
    partitions = sorted(report.partitions, key=lambda each: each.partition)
    if len(partitions) < 2:
        return None
    step = max(1, -(-len(partitions) // 16))
    return columns(
        [each.records for each in partitions],
        [f"partition {each.partition}: {count(each.records, 'verdict')}" for each in partitions],
        {place: str(each.partition) for place, each in enumerate(partitions) if place % step == 0},
        _HEIGHT,
    )


def _matched(report: AuditReport) -> Iterable[tuple[Kind, int]]:
    for each in report.partitions:
        yield from each.comparison.matched_by.items()


def _kind(finding: Finding) -> Kind:
    return (finding.recomputed or finding.event).kind


def _limit(kind: Kind) -> str:
    return BY_HAND if kind.limit_name is None else kind.limit_name


def part_of(number: int, longest: int) -> float:
    """A bar's length in percent of the longest; what is more than nothing shows."""
    return round(max(100 * number / longest, 0.5), 2) if number else 0.0
