"""What an audit has to say, for a screen, a file or a page to show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processor.audit.findings import Comparison, Finding
from processor.audit.replay import Fault, LogFault


@dataclass(frozen=True, slots=True)
class PartitionAudit:
    """One partition: verdicts from `first_offset` to `next_offset` (exclusive) were decided on again.

    `from_commit` is the commit after which it began: 0 the beginning, else that of a snapshot. `unaudited` says which part of what
    was asked for could not be audited, and why; None: all of it was. `last_time_ms` is the stream time at the end, -1: none.
    """

    partition: int
    first_offset: int
    next_offset: int
    from_commit: int
    last_commit: int
    records: int
    last_time_ms: int
    comparison: Comparison
    faults: tuple[LogFault, ...]
    unaudited: str | None = None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """All partitions, in order, and the pins by which the same can be run again."""

    pins: Mapping[str, Any]
    partitions: tuple[PartitionAudit, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for each in self.partitions for finding in each.comparison.findings)

    @property
    def faults(self) -> tuple[LogFault, ...]:
        """Of the logs; a gap that retention tore, and that the worker told of, is no finding."""
        return tuple(fault for each in self.partitions for fault in each.faults)

    @property
    def matched(self) -> int:
        return sum(each.comparison.matched for each in self.partitions)

    @property
    def not_yet_processed(self) -> int:
        return sum(each.comparison.not_yet_processed for each in self.partitions)

    @property
    def records(self) -> int:
        return sum(each.records for each in self.partitions)

    @property
    def is_clean(self) -> bool:
        """Whether everything that was audited matched."""
        return not self.findings and all(fault.fault is Fault.RETENTION_GAP for fault in self.faults)

    @property
    def is_complete(self) -> bool:
        """Whether all that was asked for was audited."""
        return all(each.unaudited is None for each in self.partitions)
