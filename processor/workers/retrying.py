"""`what-if` on the topics put together: partitions one after the other or side by side in processes of their own, then all together.

Reads what an audit reads, up to the same pins, and writes nothing. Where the workers have not committed anything yet, all that is
there is taken up: so policies can be tried before the first worker runs.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from processor.audit.ranges import NothingToAudit, Start
from processor.audit.replay import LogFault, Replay
from processor.audit.retrial import Retrial
from processor.audit.what_if import Outcome, Totals, outcomes_together, totals_together
from processor.kafka.audit_source import AuditSource, Pins
from processor.kafka.policy_log import latest_policies
from processor.policies.policy import PolicySet
from processor.settings import Settings
from processor.workers.asked_range import AskedRange
from processor.workers.auditing import not_told
from processor.workers.jobs import Progress, side_by_side
from processor.workers.reliving import SEED, Past, Versions
from processor.workers.wiring import client_settings, serde, topic_names


@dataclass(frozen=True, slots=True)
class RetrialOptions(AskedRange):
    """What is tried: sets of policies, the history, or both. `files` are policies of local files that workers were started with."""

    policy_sets: Sequence[PolicySet] = ()
    with_history: bool = False
    jobs: int = 1
    files: Mapping[str, PolicySet] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartitionTried:
    """What came of one partition: the outcomes in the order of the sets, that of the history last.

    `faults` are those of the log; `unread` says what of the range could not be taken up.
    """

    partition: int
    totals: Totals
    outcomes: tuple[Outcome, ...]
    faults: tuple[LogFault, ...] = ()
    unread: str | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of all partitions together."""

    totals: Totals
    outcomes: tuple[Outcome, ...]
    faults: tuple[LogFault, ...]
    unread: Mapping[int, str]


def newest_policies(settings: Settings, pins: Pins, should_stop: Callable[[], bool]) -> PolicySet:
    """Those in force at the pins; the built-in ones where none are published.

    Raises BrokerUnreachable, ReadingFailed, ReadingStopped, RegistryRefused, RegistryAway.
    """
    topic = topic_names(settings).policies
    end = next((end for (name, _), (_, end) in pins.bounds.items() if name == topic), None)
    with ExitStack() as open_things:
        records = serde(settings, should_stop, open_things)
        found = latest_policies(
            client_settings(settings), topic, records, settings.policies.set_name, should_stop=should_stop, end=end
        )
    return found or PolicySet()


def retry(
    settings: Settings,
    pins: Pins,
    options: RetrialOptions,
    should_stop: Callable[[], bool],
    progress: Progress = lambda *_: None,
) -> Tried:
    """Try the policies on all partitions up to the pins. The same pins give the same result, however many jobs.

    Raises BrokerUnreachable, ReadingFailed, ReadingStopped, RegistryRefused, RegistryAway, TableFull.
    """
    # Nobody has decided anything: then the newest policies are those that would have been in force.
    beginning = PolicySet() if is_decided(pins) else newest_policies(settings, pins, should_stop)
    known = dict(options.files)
    tasks = [(settings, pins, options, known, beginning, each) for each in sorted(pins.committed)]
    parts = side_by_side(_try_partition, tasks, options.jobs, should_stop, progress)
    return Tried(
        totals_together([part.totals for part in parts]),
        tuple(outcomes_together(outcomes) for outcomes in zip(*(part.outcomes for part in parts), strict=True)),
        tuple(fault for part in parts for fault in part.faults),
        {part.partition: part.unread for part in parts if part.unread is not None},
    )


def is_decided(pins: Pins) -> bool:
    """Whether workers have committed anything."""
    return any(commit for _, commit in pins.committed.values())


def _try_partition(
    settings: Settings,
    pins: Pins,
    options: RetrialOptions,
    known: dict[str, PolicySet],
    beginning: PolicySet,
    partition: int,
    should_stop: Callable[[], bool],
    progress: Progress,
) -> PartitionTried:
    with ExitStack() as open_things:
        records = serde(settings, should_stop, open_things)
        source = AuditSource(client_settings(settings), topic_names(settings), records, pins, should_stop)
        past = Past(settings, source, records, Versions(settings, records, known), partition)
        return _Partition(source, past, options, beginning, partition).run(progress)


class _Partition:
    """One partition's part in it."""

    def __init__(
        self, source: AuditSource, past: Past, options: RetrialOptions, beginning: PolicySet, partition: int
    ) -> None:
        self._source = source
        self._past = past
        self._options = options
        self._beginning = beginning
        self._partition = partition

    def run(self, progress: Progress) -> PartitionTried:
        since = self._options.since(self._source, self._partition)
        start, end, unread = self._limits(since)
        until = self._options.until(self._source, self._partition)
        is_whole = until is None or until >= end
        if until is not None:
            end = max(min(end, until), start.offset)
        pages = [
            page for page in self._past.pages if page.commit > start.commit and (is_whole or page.first_offset < end)
        ]
        total, read = end - start.warm_up_offset, 0

        def more(records: int) -> None:
            nonlocal read
            read += records
            progress(self._partition, read, total)

        replay = self._past.replay_from(start, pages, more)
        retrial = self._tried(replay, start, end, since, more)
        if is_whole:
            replay.finish(self._source.pins.committed[self._partition][1], end)
        what_if = retrial.what_if
        faults = (*self._past.missing_before(start), *replay.faults)
        return PartitionTried(
            self._partition, what_if.totals, what_if.outcomes, faults, unread or Past.untold(start, since)
        )

    def _limits(self, since: int | None) -> tuple[Start, int, str | None]:
        """Where to begin to live through it again, the offset before which the log ends, and why there is nothing, if there is nothing."""
        committed, last_commit = self._source.pins.committed[self._partition]
        nowhere = Start(last_commit, committed, committed, None)
        if not is_decided(self._source.pins):
            first, end = self._past.first, self._past.end
            return Start(0, first, first, None), end, None
        if last_commit == 0:
            return nowhere, committed, not_told(self._source.pins.group, committed, has_events=False)
        try:
            return self._past.choose_start(from_offset=since), committed, None
        except NothingToAudit as nothing:
            return nowhere, committed, str(nothing)

    def _tried(self, replay: Replay, start: Start, end: int, since: int | None, more: Callable[[int], None]) -> Retrial:
        """Goes on as it was up to the verdict `since`, and from there on as it would have been."""
        first = start.offset if since is None else since
        retrial = None
        for run in self._source.verdicts(self._partition, start.offset, end):
            row = int(np.searchsorted(run.offsets, first)) if retrial is None else 0
            replay.take(run.values[:row], run.offsets[:row], run.timestamps_ms[:row])
            if retrial is None and row < len(run.values):
                retrial = self._begun(replay)
            replay.take(run.values[row:], run.offsets[row:], run.timestamps_ms[row:])
            more(len(run.values))
        return retrial or self._begun(replay)

    def _begun(self, replay: Replay) -> Retrial:
        if not is_decided(self._source.pins):
            replay.engine.adopt(self._beginning)
        options = self._options
        retrial = Retrial(
            replay.engine,
            options.policy_sets,
            seed=SEED,
            partitions=self._past.partitions,
            with_history=options.with_history,
        )
        replay.hand_over(retrial)
        return retrial
