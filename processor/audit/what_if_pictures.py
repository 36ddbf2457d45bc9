"""What the pages of what-if draw besides a sweep: blocks over time, what each limit stops, and two sets of policies side by side."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from processor.audit.findings import HOUR_MS
from processor.audit.pictures import BY_HAND, part_of
from processor.audit.plots import Columns, columns
from processor.audit.policy_comparison import stopped
from processor.audit.sweep_picture import other, senders, spam
from processor.audit.time_bins import binned, starts_of, time_ticks, titles
from processor.audit.what_if import Outcome, TriedBlock
from processor.audit.words import count, name_of

_HEIGHT = 150


@dataclass(frozen=True, slots=True)
class OverTime:
    """Blocks by time; `each` says how long a bar is."""

    each: str
    blocks: Columns


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit: what its blocks stop. The parts are of the longest row, in percent."""

    name: str
    told: str
    spam_part: float
    other_part: float


@dataclass(frozen=True, slots=True)
class Measure:
    """The same number of two outcomes; the parts are of the larger one, in percent."""

    name: str
    numbers: tuple[int, int]
    parts: tuple[float, float]


def over_time(blocks: Sequence[TriedBlock]) -> OverTime | None:
    """When senders would have been blocked. None where one bar would say nothing."""
    by_time = Counter(each.block.blocked_at_ms for each in blocks)
    starts = starts_of(min(by_time), max(by_time)) if by_time else range(0)
    if len(starts) < 2:
        return None
    values = binned(by_time, starts)
    return OverTime(
        count(starts.step // HOUR_MS, "hour"),
        columns(values, titles(starts, values, "blocked"), time_ticks(starts), _HEIGHT),
    )


def by_limit(blocks: Sequence[TriedBlock]) -> tuple[LimitRow, ...]:
    """What the blocks by each limit stop, that of the most blocks first."""
    by_name: dict[str, list[TriedBlock]] = {}
    for each in blocks:
        evidence = each.block.evidence
        by_name.setdefault(BY_HAND if evidence is None else evidence.limit_name, []).append(each)
    longest = max((stopped(several).messages for several in by_name.values()), default=0)
    return tuple(
        _limit_row(name, several, longest)
        for name, several in sorted(by_name.items(), key=lambda item: (-len(item[1]), item[0]))
    )


def measures(ours: Outcome, others: Outcome) -> tuple[Measure, ...]:
    """What two outcomes come to, number by number."""
    found = [
        ("senders blocked", senders(ours), senders(others)),
        ("blocks", len(ours.blocks), len(others.blocks)),
        ("spam stopped", spam(ours), spam(others)),
        ("other mail stopped", other(ours), other(others)),
        ("alerts without a block", ours.alerts, others.alerts),
        ("held back by the brake", ours.holds, others.holds),
    ]
    return tuple(
        Measure(name, (one, two), (part_of(one, max(one, two)), part_of(two, max(one, two))))
        for name, one, two in found[:4] + [each for each in found[4:] if any(each[1:])]
    )


def _limit_row(name: str, blocks: Sequence[TriedBlock], longest: int) -> LimitRow:
    mail = stopped(blocks)
    ordinary = mail.messages - mail.spam_messages
    return LimitRow(
        name_of(name),
        f"{count(len(blocks), 'block')}: {mail.spam_messages:,} spam, {ordinary:,} other",
        part_of(mail.spam_messages, longest),
        part_of(ordinary, longest),
    )
