"""`audit` put together: pins, partitions one after the other or side by side in processes of their own, and the report."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from processor.audit.findings import Comparison, Event, Scope, all_unexpected, compare
from processor.audit.pages import Page
from processor.audit.ranges import (
    NothingToAudit,
    Start,
    command_range,
    lifted_by_the_clock_at,
)
from processor.audit.replay import Replay
from processor.audit.report import AuditReport, PartitionAudit
from processor.kafka.audit_source import AuditSource, Pins, check_pins, pin
from processor.kafka.side_inputs import command_topics
from processor.kafka.topics import TopicNames
from processor.policies.policy import PolicySet
from processor.restrictions.events import Published
from processor.settings import Settings
from processor.workers.asked_range import AskedRange
from processor.workers.jobs import Progress, side_by_side
from processor.workers.reliving import Past, Versions
from processor.workers.wiring import client_settings, group_name, serde, topic_names


@dataclass(frozen=True, slots=True)
class AuditOptions(AskedRange):
    """What is asked for. `files` are policies of local files, by version, that workers were started with."""

    jobs: int = 1
    files: Mapping[str, PolicySet] = field(default_factory=dict)


def pinned(settings: Settings) -> Pins:
    """Everything as it is now. Raises BrokerUnreachable, UnknownTopic, ReadingFailed."""
    return pin(client_settings(settings), topic_names(settings), group_name(settings, settings.detector.group))


def check_given(settings: Settings, pins: Pins) -> None:
    """The pins of an earlier run must be of these topics. Raises PinsUnusable, and as `pinned`."""
    check_pins(client_settings(settings), topic_names(settings), pins)


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
    known = dict(options.files)
    tasks = [(settings, pins, options, known, each, published.get(each, {})) for each in sorted(pins.committed)]
    found = side_by_side(_audit_partition, tasks, options.jobs, should_stop, progress)
    nowhere = [_partition_of_none(each, published[each]) for each in published if each not in pins.committed]
    return AuditReport(pins.to_json(), tuple(sorted([*found, *nowhere], key=lambda each: each.partition)))


def _partition_of_none(partition: int, published: Mapping[str, list[Event]]) -> PartitionAudit:
    """What claims to come from a partition that is not there: somebody else has written it."""
    return PartitionAudit(partition, 0, 0, 0, 0, 0, -1, all_unexpected(published), ())


def _audit_partition(
    settings: Settings,
    pins: Pins,
    options: AuditOptions,
    known: dict[str, PolicySet],
    partition: int,
    published: Mapping[str, list[Event]],
    should_stop: Callable[[], bool],
    progress: Progress,
) -> PartitionAudit:
    with ExitStack() as open_things:
        records = serde(settings, should_stop, open_things)
        kafka, topics = client_settings(settings), topic_names(settings)
        source = AuditSource(kafka, topics, records, pins, should_stop)
        versions = Versions(settings, records, known)
        past = Past(settings, source, records, versions, partition)
        return _Partition(topics, source, options, partition, past).run(published, progress)


class _Partition:
    """The audit of one partition."""

    def __init__(
        self,
        topics: TopicNames,
        source: AuditSource,
        options: AuditOptions,
        partition: int,
        past: Past,
    ) -> None:
        self._topics = topics
        self._source = source
        self._options = options
        self._partition = partition
        self._past = past

    def run(self, published: Mapping[str, list[Event]], progress: Progress) -> PartitionAudit:
        committed, last_commit = self._source.pins.committed[self._partition]
        if last_commit == 0:
            return self._nothing(committed, not_told(self._source.pins.group, committed, has_events=published != {}))
        since = self._options.since(self._source, self._partition)
        try:
            start = self._past.choose_start(from_offset=since)
        except NothingToAudit as nothing:
            return self._nothing(committed, str(nothing))
        pages = [page for page in self._past.pages if page.commit > start.commit]
        until = self._options.until(self._source, self._partition)
        if until is not None:
            pages = [page for page in pages if page.next_offset <= until]
            last_commit = pages[-1].commit if pages else start.commit
            committed = pages[-1].next_offset if pages else start.offset
        replay = self._replay(start, pages, committed, last_commit, progress)
        scope = self._scope(start, pages, committed, since)
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
            faults=(*self._past.missing_before(start), *replay.faults),
            unaudited=Past.untold(start, since),
        )

    def _replay(self, start: Start, pages: list[Page], end: int, last_commit: int, progress: Progress) -> Replay:
        total, read = end - start.warm_up_offset, 0

        def more(records: int) -> None:
            nonlocal read
            read += records
            progress(self._partition, read, total)

        replay = self._past.replay_from(start, pages, more)
        for run in self._source.verdicts(self._partition, start.offset, end):
            replay.take(run.values, run.offsets, run.timestamps_ms)
            more(len(run.values))
        replay.finish(last_commit, end)
        return replay

    def _scope(self, start: Start, pages: list[Page], end: int, since: int | None) -> Scope:
        # From the beginning: before it there is nothing that an event could come from.
        begun = 0 if start.snapshot is None else start.offset
        first = begun if since is None else max(begun, min(since, end))
        before = [page for page in self._past.pages if page.commit <= start.commit]
        inputs = command_topics(self._topics)
        commands = {
            topic: command_range(before, pages, role, from_the_beginning=start.snapshot is None)
            for role, topic in inputs.items()
        }
        pins, read = self._source.pins, (self._topics.verdicts, *inputs.values())
        return Scope(
            self._topics.verdicts,
            self._partition,
            first,
            end,
            commands,
            expired_before=lifted_by_the_clock_at(before, first),
            ends={topic: pins.of(topic, self._partition)[1] for topic in read},
        )

    def _nothing(self, committed: int, why: str | None) -> PartitionAudit:
        nothing = Comparison(0, 0, ())
        return PartitionAudit(self._partition, committed, committed, 0, 0, 0, -1, nothing, (), why)


def not_told(group: str, committed: int, *, has_events: bool) -> str | None:
    """Why a partition without a commit cannot be audited; None where there is nothing to audit."""
    if committed > 0:
        return (
            f"the offset that the group {group} has committed names no commit: somebody else than a worker has set it "
            "(`kafka-consumer-groups --reset-offsets` does)"
        )
    if has_events:
        return f"events were published of it, but the group {group} has committed nothing: is it the workers' group?"
    return None


def _event_of(event: Published) -> Event:
    return Event(event.event_id, type(event).__name__, event.to_record())
