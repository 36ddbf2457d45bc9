"""`explain` put together: one block's events, its partition lived through again up to it, and what the sender did after."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from processor.audit.cells import timeline_of
from processor.audit.findings import Event
from processor.audit.judgements import Judgements
from processor.audit.ranges import NothingToAudit
from processor.audit.replay import Replay
from processor.audit.story import (
    Aftermath,
    Course,
    Relived,
    Standings,
    Story,
    course_of,
    held_against,
    standings_of,
)
from processor.audit.timeline import Timeline
from processor.detection.inputs import CommandInput
from processor.detection.windows import DAY_PANES, HOUR_PANES
from processor.kafka.audit_source import AuditSource
from processor.kafka.side_inputs import command_topics
from processor.kafka.topics import TopicNames
from processor.policies.policy import Policy, PolicySet
from processor.restrictions.events import Position, WindowCounters
from processor.settings import Settings
from processor.workers.auditing import pinned
from processor.workers.reliving import SEED, Moment, Past, Versions
from processor.workers.wiring import client_settings, group_name, serde, topic_names

Told = Callable[[int, int], None]
"""How many verdicts have been read, and of how many."""


def explain(
    settings: Settings,
    block_id: str,
    files: Mapping[str, PolicySet],
    should_stop: Callable[[], bool],
    progress: Told = lambda *_: None,
) -> Story:
    """The story of a block. `files` are policies of local files, by version, that workers were started with.

    Raises NoSuchBlock, BrokerUnreachable, ReadingFailed, ReadingStopped, RegistryRefused, RegistryAway.
    """
    with ExitStack() as open_things:
        records = serde(settings, should_stop, open_things)
        source = AuditSource(client_settings(settings), topic_names(settings), records, pinned(settings), should_stop)
        course = course_of(source.published().values(), block_id)
        versions = Versions(settings, records, dict(files))
        partition = course.block.position.partition
        if not _names_an_input(course.block.position, source, topic_names(settings)):
            return Story(course, held_against(course, None), None, None, None)
        past = Past(settings, source, records, versions, partition)
        return _Telling(settings, source, past, versions, course, progress).story()


def _names_an_input(position: Position, source: AuditSource, topics: TopicNames) -> bool:
    """Whether the event's cause is where workers read; else somebody else has written the event."""
    topic, partition = position.topic, position.partition
    return topic in (topics.verdicts, *command_topics(topics).values()) and partition in source.pins.committed


@dataclass(slots=True)
class _Seen:
    """What was looked at when the replay stood at the moment."""

    timeline: Timeline | None = None
    last: tuple[bytes | None, int] | None = None
    policy: Policy | None = None
    version: str = ""


class _Telling:
    """One block's story, made from one partition."""

    def __init__(
        self,
        settings: Settings,
        source: AuditSource,
        past: Past,
        versions: Versions,
        course: Course,
        progress: Told,
    ) -> None:
        self._group = group_name(settings, settings.detector.group)
        self._topics = topic_names(settings)
        self._source = source
        self._past = past
        self._versions = versions
        self._course = course
        self._progress = progress
        self._read = self._total = 0

    def story(self) -> Story:
        block = self._course.block
        moment = self._moment()
        if moment is None:
            if self._is_whole and block.position.offset < self._committed(block.position):
                return Story(self._course, held_against(self._course, None), None, None, None)
            return self._by_its_evidence(self._why_not_there(), None)
        try:
            offset = block.position.offset if self._is_verdict(block.position) else moment.before_offset
            start = self._past.start_before(moment, offset)
        except NothingToAudit as nothing:
            return self._by_its_evidence(str(nothing), moment)
        until = self._until(moment.before_offset)
        self._total = moment.page.next_offset - start.warm_up_offset + max(0, until - moment.before_offset)
        seen = _Seen()
        replay = self._past.relive(start, moment, lambda *found: self._look(seen, *found), self._tell)
        if self._versions.missing:
            return self._by_its_evidence(_no_policies(self._versions.missing), moment)
        recomputed = [
            Event(each.event_id, type(each).__name__, each.to_record())
            for each in replay.events
            if each.event_id == block.event_id
        ]
        found = recomputed[0] if recomputed else None
        tipping = None
        if seen.last is not None and self._is_verdict(block.position):
            tipping = self._past.record_of(*seen.last)
        relived = Relived(start.commit, replay.records, found, seen.timeline, tipping, tuple(replay.faults))
        standings = None
        if seen.timeline is not None and seen.policy is not None:
            hour, day = seen.timeline.window(HOUR_PANES), seen.timeline.window(DAY_PANES)
            standings = standings_of(seen.policy, seen.version, hour, day)
        return Story(
            self._course,
            held_against(self._course, found),
            standings,
            relived,
            self._aftermath(moment.before_offset, until),
        )

    def _moment(self) -> Moment | None:
        """When the block fell; None where the journal does not say."""
        position = self._course.block.position
        if self._is_verdict(position):
            pages = (page for page in self._past.pages if page.first_offset <= position.offset < page.next_offset)
            page = next(pages, None)
            return None if page is None else Moment(page, position.offset + 1)
        return self._taken_up(position)

    def _taken_up(self, position: Position) -> Moment | None:
        """When the command at this position was taken up."""
        for page in self._past.pages:
            for each in page.inputs:
                if not isinstance(each, CommandInput) or each.offset != position.offset:
                    continue
                if command_topics(self._topics)[each.role] == position.topic:
                    return Moment(page, each.before_offset)
        return None

    def _look(self, seen: _Seen, replay: Replay, last: tuple[bytes | None, int] | None) -> None:
        record, engine = self._course.block.record, replay.engine
        policies = engine.policies
        seen.timeline, seen.last = timeline_of(engine, record["sender"]), last
        seen.policy = policies.policies[policies.matcher.row_of(record["sender"], record["tenant_id"])]
        seen.version = policies.version

    def _by_its_evidence(self, why: str, moment: Moment | None) -> Story:
        """What can be told where nothing can be recomputed: by the block's own counters and what is left of the log."""
        block = self._course.block
        if moment is None and self._is_verdict(block.position):
            first = block.position.offset + 1
        elif moment is None:
            first = self._source.offset_at(block.position.partition, max(0, block.at_ms))
        else:
            first = moment.before_offset
        until = self._until(first)
        self._total = self._read + max(0, until - first)
        return Story(self._course, (), self._standings_published(), None, self._aftermath(first, until), why)

    def _standings_published(self) -> Standings | None:
        record = self._course.block.record
        if record["hour"] is None or record["day"] is None or record["policy_version"] is None:
            return None
        policies = self._versions.of(record["policy_version"])
        named = None if policies is None else {each.name: each for each in policies.policies}.get(record["policy"])
        if named is None:
            return None
        hour, day = WindowCounters(**record["hour"]), WindowCounters(**record["day"])
        return standings_of(named, record["policy_version"], hour, day)

    def _until(self, first: int) -> int:
        """The verdict before which the block ended; what was decided on by now where it had not."""
        committed, _ = self._source.pins.committed[self._course.block.position.partition]
        end = self._course.end
        if end is None:
            return max(first, committed)
        position = end.position
        if self._is_verdict(position):
            offset = position.offset
        elif (taken := self._taken_up(position)) is not None:
            offset = taken.before_offset
        else:
            offset = self._source.offset_at(self._course.block.position.partition, max(0, end.at_ms))
        return max(first, min(offset, committed))

    def _aftermath(self, first: int, until: int) -> Aftermath:
        block, past = self._course.block, self._past
        judgements = Judgements(block.record["sender"], SEED)
        rejected = np.array(sorted(offset for page in past.pages for offset in page.rejected), np.int64)
        start = max(first, past.first)
        for run in self._source.verdicts(block.position.partition, start, until):
            judgements.take(past.decoder.batch(run.values, run.offsets, run.timestamps_ms), rejected)
            self._tell(len(run.values))
        return Aftermath(first, until, dict(judgements.counts), start == first, self._course.end is None)

    def _tell(self, records: int) -> None:
        self._read += records
        self._progress(self._read, self._total)

    def _is_verdict(self, position: Position) -> bool:
        return position.topic == self._topics.verdicts

    @property
    def _is_whole(self) -> bool:
        """Whether the journal is there from the first commit to the last."""
        pages = self._past.pages
        _, last = self._source.pins.committed[self._course.block.position.partition]
        return bool(pages) and pages[0].commit == 1 and len(pages) == last

    def _committed(self, position: Position) -> int:
        """Up to where an input was decided on, as far as the journal tells."""
        if self._is_verdict(position):
            return self._source.pins.committed[position.partition][0]
        return self._source.pins.of(position.topic, position.partition)[1]

    def _why_not_there(self) -> str:
        position = self._course.block.position
        committed, last = self._source.pins.committed[position.partition]
        if last == 0:
            return f"group {self._group} has no commit there that would say how it was decided"
        if self._is_verdict(position) and position.offset >= committed:
            return "it was published while this began; run it again"
        return (
            "the journal has no commit that tells of it: retention has taken it, or a record of the journal is missing"
        )


def _no_policies(missing: set[str]) -> str:
    versions = ", ".join(sorted(missing))
    return f"these versions of the policies are not there: {versions}; those of local files are to be given with --policies FILE"
