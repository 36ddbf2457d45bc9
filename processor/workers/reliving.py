"""One partition lived through again up to a moment, from the latest usable start before it."""

from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from processor.audit.pages import Page
from processor.audit.ranges import NothingToAudit, Start, choose_start, missing_before
from processor.audit.replay import Fault, LogFault, Replay, Sources, WarmUp
from processor.detection.engine import Engine
from processor.detection.inputs import PolicyInput
from processor.kafka.audit_source import AuditSource
from processor.kafka.policy_log import PolicyUnusable, UnknownVersion, version_at
from processor.kafka.runs import Run
from processor.kafka.serde import Serde
from processor.kafka.side_inputs import command_topics
from processor.kafka.writers import RegisteredWriters
from processor.policies.policy import BUILT_IN_VERSION, PolicySet
from processor.settings import Settings
from processor.verdicts.batches import Decoder
from processor.verdicts.columns import OK
from processor.workers.wiring import client_settings, topic_names

SEED = 1
"""Of hashes in memory: nothing that is told depends on it."""


class Versions:
    """The versions of the policies that a journal names; those that are not there are kept in `missing`."""

    def __init__(self, settings: Settings, records: Serde, known: MutableMapping[str, PolicySet]) -> None:
        """`known`: those of local files. Here is also kept what is read, which whoever has the same mapping need not read again."""
        self.missing: set[str] = set()
        self._settings = settings
        self._serde = records
        self._known = known
        known.setdefault(BUILT_IN_VERSION, PolicySet())  # one and the same each time: who has adopted it need not again

    def of(self, version: str) -> PolicySet | None:
        if version not in self._known and version not in self.missing:
            self._read(version)
        return self._known.get(version)

    def _read(self, version: str) -> None:
        settings, topic = self._settings, topic_names(self._settings).policies
        try:
            self._known[version] = version_at(
                client_settings(settings), topic, self._serde, settings.policies.set_name, version
            )
        except (UnknownVersion, PolicyUnusable):
            self.missing.add(version)


@dataclass(frozen=True, slots=True)
class Moment:
    """Where to look: before the verdict of `before_offset` is taken up, and before the inputs that apply before it.

    `page` is the last that is lived through, so that it is held against its verdicts as a whole.
    """

    page: Page
    before_offset: int


class Past:
    """What a partition's journal has, and the way back to a moment in it."""

    def __init__(
        self, settings: Settings, source: AuditSource, records: Serde, versions: Versions, partition: int
    ) -> None:
        self.pages, self._snapshots = source.journal(partition)
        self._topics = topic_names(settings)
        self._source = source
        self._versions = versions
        self._partition = partition
        self.decoder = Decoder(RegisteredWriters(records), SEED)
        self._first, self.end = source.pins.of(self._topics.verdicts, partition)

    @property
    def first(self) -> int:
        """The first verdict that retention has left."""
        return self._first

    def choose_start(self, *, before_commit: int | None = None, from_offset: int | None = None) -> Start:
        """Where to begin (processor.audit.ranges), before a commit where one is named. Raises NothingToAudit."""
        snapshots = [each for each in self._snapshots if before_commit is None or each.commit < before_commit]
        return choose_start(
            self.pages,
            snapshots,
            self._first,
            self._warm_up_offset,
            from_offset=from_offset,
            is_whole=self._is_whole,
        )

    @property
    def _is_whole(self) -> bool:
        """Whether retention has taken nothing of the journal."""
        return self._source.pins.of(self._topics.journal, self._partition)[0] == 0

    @property
    def partitions(self) -> int:
        """How many the verdicts have."""
        return len([partition for topic, partition in self._source.pins.bounds if topic == self._topics.verdicts])

    def missing_before(self, start: Start) -> list[LogFault]:
        """What the logs lack before the start: commits, and the policies that were in force there."""
        if start.snapshot is None:
            return []
        faults = missing_before(self.pages, self._partition, start, is_whole=self._is_whole)
        version = start.snapshot.policy_version
        if self._versions.of(version) is None:
            message = f"version {version} of the policies is not there: decisions are compared with those of the built-in ones"
            faults.append(LogFault(Fault.POLICIES_MISSING, self._partition, start.offset, start.offset, message))
        return faults

    @staticmethod
    def untold(start: Start, since: int | None) -> str | None:
        """What of a range from the verdict `since` on a replay from `start` cannot tell of."""
        if since is None or start.offset <= since or start.snapshot is None:
            return None
        return f"verdicts {since} to {start.offset - 1}: retention has taken what was known then, or the day before it"

    def start_before(self, moment: Moment, offset: int) -> Start:
        """The latest start from which the verdict at `offset`, and what applied before it, is lived through. Raises NothingToAudit."""
        start = self.choose_start(before_commit=moment.page.commit, from_offset=offset)
        if start.offset > offset:
            raise NothingToAudit(
                f"retention has left nothing to begin at before it: the first place is verdict {start.offset}"
            )
        return start

    def replay_from(self, start: Start, pages: list[Page], progress: Callable[[int], None]) -> Replay:
        """A replay of these pages that stands at `start`, the day before a snapshot counted.

        `progress` is told how many more verdicts have been read. Raises ReadingStopped, ReadingFailed.
        """
        version = start.snapshot.policy_version if start.snapshot is not None else BUILT_IN_VERSION
        policies = self._versions.of(version) or PolicySet()
        engine = Engine(self._topics.verdicts, self._partition, self.partitions, policies, SEED)
        for records in self._warm_up(engine, start):
            progress(records)
        sources = Sources(self._versions.of, self._source.commands(self._partition), command_topics(self._topics))
        return Replay(engine, self.decoder, pages, sources, after_commit=start.commit)

    def relive(
        self,
        start: Start,
        moment: Moment,
        look: Callable[[Replay, tuple[bytes | None, int] | None], None],
        progress: Callable[[int], None],
    ) -> Replay:
        """From `start` to the end of the moment's page. At the moment `look` is given the replay, and the verdict before it.

        `progress` is told how many more verdicts have been read. Raises ReadingStopped, ReadingFailed.
        """
        pages = [page for page in self.pages if start.commit < page.commit <= moment.page.commit]
        replay = self.replay_from(start, pages, progress)
        looked, cut = False, moment.before_offset
        for run in self._source.verdicts(self._partition, start.offset, moment.page.next_offset):
            row = int(np.searchsorted(run.offsets, cut))
            replay.take(run.values[:row], run.offsets[:row], run.timestamps_ms[:row])
            if not looked and (row < len(run.values) or int(run.offsets[-1]) == cut - 1):
                look(replay, _last(run, row, cut))
                looked = True
            replay.take(run.values[row:], run.offsets[row:], run.timestamps_ms[row:])
            progress(len(run.values))
        if not looked:
            look(replay, None)
        replay.finish(moment.page.commit, moment.page.next_offset)
        return replay

    def record_of(self, value: bytes | None, timestamp_ms: int) -> dict[str, Any] | None:
        """One verdict, whole; None where it cannot be read."""
        batch = self.decoder.batch([value], np.zeros(1, np.int64), np.array([timestamp_ms], np.int64))
        return batch.record(0) if batch.columns.status[0] == OK else None

    def _warm_up(self, engine: Engine, start: Start) -> Iterator[int]:
        """Counts the day before a snapshot, under the policies of that time; gives how many verdicts each step took."""
        if start.snapshot is None:
            return
        warm_up = WarmUp(engine, self.decoder, start.snapshot)
        before = [page for page in self.pages if page.commit <= start.commit]
        # Where retention has taken the page that told of a version, a snapshot after it still names it.
        changes = sorted(
            [(each.next_offset, each.policy_version) for each in self._snapshots if each.commit <= start.commit]
            + [
                (each.before_offset, each.version)
                for page in before
                for each in page.inputs
                if isinstance(each, PolicyInput)
            ],
            key=itemgetter(0),
        )
        rejected = np.array(sorted(offset for page in before for offset in page.rejected), np.int64)
        for run in self._source.verdicts(self._partition, start.warm_up_offset, start.offset):
            row = 0
            while row < len(run.values):
                # Whether bulk mail is spam is the policy's to say.
                offset = int(run.offsets[row])
                self._adopt(engine, next((v for at, v in reversed(changes) if at <= offset), None))
                later = next((at for at, _ in changes if at > offset), None)
                end = len(run.values) if later is None else int(np.searchsorted(run.offsets, later))
                warm_up.take(run.values[row:end], run.offsets[row:end], run.timestamps_ms[row:end], rejected)
                row = end
            yield len(run.values)
        self._adopt(engine, start.snapshot.policy_version)
        warm_up.finish(start.offset)

    def _adopt(self, engine: Engine, version: str | None) -> None:
        found = None if version is None else self._versions.of(version)
        if found is not None and found is not engine.policies:
            engine.adopt(found)

    def _warm_up_offset(self, time_ms: int) -> int | None:
        offset = self._source.offset_at(self._partition, max(0, time_ms))
        # Where the first that is left is later than asked for, retention may have taken some that are needed.
        return None if offset == self._first > 0 else offset


def _last(run: Run, row: int, cut: int) -> tuple[bytes | None, int] | None:
    """Value and timestamp of the verdict just before `cut`, if it is in the run."""
    if row and int(run.offsets[row - 1]) == cut - 1:
        return run.values[row - 1], int(run.timestamps_ms[row - 1])
    return None
