"""`audit` put together: pins, partitions one after the other or side by side in processes of their own, and the report."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from processor.audit.findings import Comparison, Event, Scope, compare
from processor.audit.pages import Page, Snapshot
from processor.audit.ranges import (
    NothingToAudit,
    Start,
    choose_start,
    command_range,
    lifted_by_the_clock_at,
    missing_before,
)
from processor.audit.replay import LogFault, Replay, Sources, WarmUp
from processor.audit.report import AuditReport, PartitionAudit
from processor.detection.engine import Engine
from processor.detection.inputs import PolicyInput
from processor.kafka.audit_source import AuditSource, Pins, pin
from processor.kafka.policy_log import PolicyUnusable, UnknownVersion, version_at
from processor.kafka.side_inputs import command_topics
from processor.kafka.writers import RegisteredWriters
from processor.policies.policy import BUILT_IN_VERSION, PolicySet
from processor.restrictions.events import Published
from processor.settings import Settings
from processor.types import Int64s
from processor.verdicts.batches import Decoder
from processor.workers.jobs import Progress, side_by_side
from processor.workers.wiring import client_settings, group_name, serde, topic_names

_SEED = 1
"""Of hashes in memory: nothing that an audit says depends on it."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What is asked for. `files` are policies of local files, by version, that workers were started with.

    `offsets`: for some partitions the first verdict and the one after the last, in place of times; None: as far as there is.
    """

    from_ms: int | None = None
    to_ms: int | None = None
    offsets: Mapping[int, tuple[int | None, int | None]] = field(default_factory=dict)
    jobs: int = 1
    files: Mapping[str, PolicySet] = field(default_factory=dict)


def pinned(settings: Settings) -> Pins:
    """Everything as it is now. Raises BrokerUnreachable, UnknownTopic, ReadingFailed."""
    return pin(client_settings(settings), topic_names(settings), group_name(settings, settings.detector.group))


def audit(
    settings: Settings,
    pins: Pins,
    options: AuditOptions,
    should_stop: Callable[[], bool],
    progress: Progress = lambda *_: None,
) -> AuditReport:
    """Audit all partitions up to the pins. The same pins give the same report, however many jobs.

    Raises BrokerUnreachable, ReadingFailed, ReadingStopped, RegistryRefused, RegistryAway.
    """
    with ExitStack() as open_things:
        records = serde(settings, should_stop, open_things)
        source = AuditSource(client_settings(settings), topic_names(settings), records, pins, should_stop)
        published = source.published()
    tasks = [(settings, pins, options, each, published.get(each, {})) for each in sorted(pins.committed)]
    if min(options.jobs, len(tasks)) <= 1:
        found = [_audit_partition(*task, should_stop, progress) for task in tasks]
    else:
        found = side_by_side(_audit_partition, tasks, options.jobs, should_stop, progress)
    return AuditReport(pins.to_json(), tuple(found))


def _audit_partition(
    settings: Settings,
    pins: Pins,
    options: AuditOptions,
    partition: int,
    published: Mapping[str, list[Event]],
    should_stop: Callable[[], bool],
    progress: Progress,
) -> PartitionAudit:
    with ExitStack() as open_things:
        records = serde(settings, should_stop, open_things)
        kafka, topics = client_settings(settings), topic_names(settings)
        source = AuditSource(kafka, topics, records, pins, should_stop)
        pages, snapshots = source.journal(partition)
        audited = _Partition(settings, source, options, partition, pages, snapshots)
        policies = _Policies(settings, records, options.files)
        return audited.run(policies, RegisteredWriters(records), published, progress)


class _Policies:
    """The versions that a journal names."""

    def __init__(self, settings: Settings, records: Any, files: Mapping[str, PolicySet]) -> None:
        self._settings = settings
        self._serde = records
        self._known: dict[str, PolicySet | None] = {BUILT_IN_VERSION: PolicySet(), **files}

    def of(self, version: str) -> PolicySet | None:
        if version not in self._known:
            self._known[version] = self._read(version)
        return self._known[version]

    def _read(self, version: str) -> PolicySet | None:
        settings, topic = self._settings, topic_names(self._settings).policies
        try:
            return version_at(client_settings(settings), topic, self._serde, settings.policies.set_name, version)
        except (UnknownVersion, PolicyUnusable):
            return None


class _Partition:
    """The audit of one partition."""

    def __init__(
        self,
        settings: Settings,
        source: AuditSource,
        options: AuditOptions,
        partition: int,
        pages: list[Page],
        snapshots: list[Snapshot],
    ) -> None:
        self._topics = topic_names(settings)
        self._source = source
        self._options = options
        self._partition = partition
        self._pages = pages
        self._snapshots = snapshots
        self._first, self._end = source.pins.bounds[self._topics.verdicts, partition]

    def run(
        self, policies: _Policies, writers: RegisteredWriters, published: Mapping[str, list[Event]], progress: Progress
    ) -> PartitionAudit:
        committed, last_commit = self._source.pins.committed[self._partition]
        if last_commit == 0:
            return self._nothing(committed, None)
        try:
            start = choose_start(
                self._pages,
                self._snapshots,
                self._first,
                self._warm_up_offset,
                from_ms=self._options.from_ms,
                from_offset=self._asked_offsets[0],
            )
        except NothingToAudit as nothing:
            return self._nothing(committed, str(nothing))
        pages = [page for page in self._pages if page.commit > start.commit]
        until = self._until()
        if until is not None:
            pages = [page for page in pages if page.next_offset <= until]
            last_commit = pages[-1].commit if pages else start.commit
            committed = pages[-1].next_offset if pages else start.offset
        replay = self._replay(start, pages, committed, last_commit, policies, writers, progress)
        scope = self._scope(start, pages, committed)
        recomputed = [event for event in map(_event_of, replay.events) if scope.place_of(event.position) is not None]
        comparison = compare(published, recomputed, scope)
        return PartitionAudit(
            partition=self._partition,
            first_offset=start.offset,
            next_offset=committed,
            from_commit=start.commit,
            last_commit=last_commit,
            records=replay.records,
            last_time_ms=replay.engine.stream_time_ms,
            comparison=comparison,
            faults=(*self._missing_before(start), *replay.faults),
            unaudited=self._unaudited(start),
        )

    @property
    def _asked_offsets(self) -> tuple[int | None, int | None]:
        return self._options.offsets.get(self._partition, (None, None))

    def _until(self) -> int | None:
        """The verdict before which the range ends; None: it goes to the pins."""
        if self._asked_offsets[1] is not None:
            return self._asked_offsets[1]
        return None if self._options.to_ms is None else self._source.offset_at(self._partition, self._options.to_ms)

    def _since(self) -> int | None:
        """The verdict with which the range begins; None: with what there is."""
        if self._asked_offsets[0] is not None:
            return self._asked_offsets[0]
        return None if self._options.from_ms is None else self._source.offset_at(self._partition, self._options.from_ms)

    def _replay(
        self,
        start: Start,
        pages: list[Page],
        end: int,
        last_commit: int,
        policies: _Policies,
        writers: RegisteredWriters,
        progress: Progress,
    ) -> Replay:
        numbers = [partition for topic, partition in self._source.pins.bounds if topic == self._topics.verdicts]
        version = start.snapshot.policy_version if start.snapshot is not None else BUILT_IN_VERSION
        engine = Engine(
            self._topics.verdicts, self._partition, len(numbers), policies.of(version) or PolicySet(), _SEED
        )
        decoder = Decoder(writers, _SEED)
        total, read = end - start.warm_up_offset, 0
        if start.snapshot is not None:
            for records in self._warm_up(engine, decoder, start, policies):
                read += records
                progress(self._partition, read, total)
        sources = Sources(policies.of, self._source.commands(self._partition), command_topics(self._topics))
        replay = Replay(engine, decoder, pages, sources, after_commit=start.commit)
        for run in self._source.verdicts(self._partition, start.offset, end):
            replay.take(run.values, run.offsets, run.timestamps_ms)
            read += len(run.values)
            progress(self._partition, read, total)
        replay.finish(last_commit, end)
        return replay

    def _warm_up(self, engine: Engine, decoder: Decoder, start: Start, policies: _Policies) -> Any:
        """Counts the day before the snapshot, under the policies of that time; gives how many verdicts each step took."""
        snapshot = start.snapshot
        assert snapshot is not None  # noqa: S101 - the caller has looked
        warm_up = WarmUp(engine, decoder, snapshot)
        before = [page for page in self._pages if page.commit <= start.commit]
        changes = [
            (each.before_offset, each.version)
            for page in before
            for each in page.inputs
            if isinstance(each, PolicyInput)
        ]
        rejected = np.array(sorted(offset for page in before for offset in page.rejected), np.int64)
        for run in self._source.verdicts(self._partition, start.warm_up_offset, start.offset):
            self._count(warm_up, engine, run.values, run.offsets, run.timestamps_ms, rejected, changes, policies)
            yield len(run.values)
        in_force = policies.of(snapshot.policy_version)
        if in_force is not None:
            engine.adopt(in_force)
        warm_up.finish(start.offset)

    def _count(
        self,
        warm_up: WarmUp,
        engine: Engine,
        values: list[bytes | None],
        offsets: Int64s,
        timestamps_ms: Int64s,
        rejected: Int64s,
        changes: list[tuple[int, str]],
        policies: _Policies,
    ) -> None:
        """A run under the versions that were in force: whether bulk mail is spam is the policy's to say."""
        row = 0
        while row < len(values):
            offset = int(offsets[row])
            known = [version for before, version in changes if before <= offset]
            later = [before for before, _ in changes if before > offset]
            if known and (found := policies.of(known[-1])) is not None and found is not engine.policies:
                engine.adopt(found)
            end = int(np.searchsorted(offsets, later[0])) if later else len(values)
            warm_up.take(values[row:end], offsets[row:end], timestamps_ms[row:end], rejected)
            row = end

    def _warm_up_offset(self, time_ms: int) -> int | None:
        offset = self._source.offset_at(self._partition, time_ms)
        # Where the first that is left is later than asked for, retention may have taken some that are needed.
        return None if offset == self._first > 0 else offset

    def _scope(self, start: Start, pages: list[Page], end: int) -> Scope:
        since = self._since()
        first = start.offset if since is None else max(start.offset, min(since, end))
        before = [page for page in self._pages if page.commit <= start.commit]
        commands = {topic: command_range(pages, role) for role, topic in command_topics(self._topics).items()}
        return Scope(
            self._topics.verdicts,
            self._partition,
            first,
            end,
            commands,
            expired_before=lifted_by_the_clock_at(before, first),
        )

    def _missing_before(self, start: Start) -> list[LogFault]:
        is_whole = self._source.pins.bounds[self._topics.journal, self._partition][0] == 0
        return [] if start.snapshot is None else missing_before(self._pages, self._partition, start, is_whole=is_whole)

    def _unaudited(self, start: Start) -> str | None:
        since = self._since()
        if since is None or start.offset <= since or start.snapshot is None:
            return None
        return f"verdicts {since} to {start.offset - 1}: retention has taken what was known then, or the day before it"

    def _nothing(self, committed: int, why: str | None) -> PartitionAudit:
        nothing = Comparison(0, 0, ())
        return PartitionAudit(self._partition, committed, committed, 0, 0, 0, -1, nothing, (), why)


def _event_of(event: Published) -> Event:
    return Event(event.event_id, type(event).__name__, event.to_record())
