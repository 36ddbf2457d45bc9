"""One partition in a detect worker: its engine, and what the next commit has to write of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from processor.avro import Undecodable
from processor.detection.changes import Sweep, touched
from processor.detection.engine import Engine
from processor.detection.inputs import ClockInput, CommandInput, GapInput, PolicyInput
from processor.detection.layout import GRANULE
from processor.detection.windows import day_of
from processor.kafka import changelog, journal
from processor.kafka.changelog import CommitMark, Head, Restored, RestoreFailed
from processor.kafka.journal import JournalPage
from processor.kafka.publishing import dead_letters, event_records
from processor.kafka.runs import Run
from processor.kafka.serde import Serde
from processor.kafka.side_inputs import RejectedRecord, Taken, command_offsets
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import Offset, OutRecord
from processor.policies.policy import BUILT_IN_VERSION, PolicySet
from processor.restrictions.events import Position, Published
from processor.restrictions.life import Role
from processor.verdicts.batches import Decoder

_SWEEP_SLICE = 8_192
"""The least that a commit adds of a sweep, in numbers or slots."""
_SWEEP_COMMITS = 64
"""A sweep is spread over about so many commits, so that none of them takes long."""
_SENDER_BYTES, _CELL_BYTES, _KEPT_BYTES = 10, 12, 300
"""About what one takes in the changelog, besides the names."""


class RecordsOutOfOrder(Exception):
    """The client gave records that had been fetched before the partition was taken away and given back."""


@dataclass(slots=True)
class PartitionWork:
    """Takes runs of records up, and turns what came of them into the records of a commit."""

    engine: Engine
    next_offset: int
    next_commands: dict[Role, int]
    commit: int
    changelog_start: int
    log_bytes: int
    policy_version: str | None
    """The version that the journal names last, or will with the next commit; None: none yet."""
    sweep_bytes: int
    """A changelog shorter than this is never swept."""
    sweep: Sweep | None = None
    swept_from: int | None = None
    """The changelog offset at which the sweep under way began."""
    bytes_before_sweep: int = 0
    trimmed_to: int = 0
    snapshot_day: int = 0
    events: list[Published] = field(default_factory=list)
    letters: list[OutRecord] = field(default_factory=list)
    reasons: dict[Undecodable, int] = field(default_factory=dict)
    page: JournalPage = field(default_factory=lambda: JournalPage(0))
    has_commands: bool = False
    """Whether commands were taken up since the last commit."""
    end_offset: int = -1
    """Where the partition ended when it was last read to its end."""
    late_before: int = 0
    """How many records were late before this page."""

    @classmethod
    def from_restored(cls, engine: Engine, restored: Restored, next_offset: int, sweep_bytes: int) -> "PartitionWork":
        """Go on after a restore with the verdict of `next_offset`; what retention took before it is noted as a gap."""
        head = restored.head
        work = cls(
            engine=engine,
            next_offset=next_offset,
            next_commands=dict.fromkeys(Role, 0) if head is None else dict(head.next_commands),
            commit=0 if head is None else head.commit,
            changelog_start=restored.changelog_start,
            log_bytes=restored.log_bytes,
            policy_version=None if head is None else head.policy_version,
            sweep_bytes=sweep_bytes,
            trimmed_to=restored.changelog_start,
            snapshot_day=day_of(engine.stream_time_ms),
        )
        work._turn_page()
        if head is not None and head.next_verdict < next_offset:
            work.skip_to(next_offset, from_offset=head.next_verdict)
        return work

    @property
    def has_news(self) -> bool:
        """Whether there is a decision to tell, which does not wait for the commit interval."""
        return bool(self.events)

    @property
    def has_progress(self) -> bool:
        """Whether a commit would say anything. A version of the policies alone is told with the next verdict or command."""
        moved = self.page.records > 0 or self.next_offset != self.page.first_offset
        return moved or self.has_commands or self.has_news

    def is_over_by(self, clock_ms: int) -> bool:
        """Whether a restriction is over at `clock_ms`, and nothing that has come since the partition's end is left to take up."""
        next_expiry_ms = self.engine.next_expiry_ms
        return next_expiry_ms is not None and next_expiry_ms <= clock_ms and self.end_offset >= self.next_offset

    @property
    def late(self) -> int:
        """How many records of this page were late."""
        return int(self.engine.table.state[0].late) - self.late_before

    def take(self, run: Run, decoder: Decoder, topics: TopicNames) -> None:
        """Count a run and decide. Raises TableFull, RecordsOutOfOrder."""
        if int(run.offsets[0]) < self.next_offset:  # fetched before a seek back took hold
            known = int((run.offsets < self.next_offset).sum())
            if known == len(run.values):
                return
            run = run.from_row(known)
        if int(run.offsets[-1] - run.offsets[0]) != len(run.values) - 1 and (np.diff(run.offsets) <= 0).any():
            raise RecordsOutOfOrder(
                f"{topics.verdicts}, partition {run.partition}, offsets {run.offsets[:3].tolist()}..."
            )
        batch = decoder.batch(run.values, run.offsets, run.timestamps_ms)
        self.events += self.engine.take(batch)
        self.page.add(batch)
        for row, reason in batch.rejected():
            self.page.rejected.append((int(run.offsets[row]), reason))
            self._refuse(dead_letters(topics, run.messages[row], reason), reason)
        self.next_offset = int(run.offsets[-1]) + 1

    def adopt(self, policies: PolicySet) -> None:
        """These policies decide from the next verdict on. Raises RestoreFailed when they are older than those that did."""
        if _goes_back(self.policy_version, policies.version):
            raise RestoreFailed(
                f"partition {self.engine.partition} was decided on by version {self.policy_version} of the policies, but the newest "
                f"that can be used here is {policies.version}: run the newest senderwatch; or was outbound-policies made anew, or "
                "policies.set_name changed? Then delete and create all topics of senderwatch together, and its groups"
            )
        if self.engine.policies is not policies:
            self.engine.adopt(policies)
        if self.policy_version != policies.version:
            self.page.inputs.append(PolicyInput(self.next_offset, policies.version))
            self.policy_version = policies.version

    def obey(self, records: Iterable[Taken], topics: TopicNames) -> None:
        """Carry out what stands in the command topics, before the next verdict. Raises TableFull."""
        for record in records:
            self.has_commands = True
            self.next_commands[record.role] = max(self.next_commands[record.role], record.position.offset + 1)
            rejected = record.reason if isinstance(record, RejectedRecord) else None
            self.page.inputs.append(CommandInput(self.next_offset, record.role, record.position.offset, rejected))
            if isinstance(record, RejectedRecord):
                self._refuse(dead_letters(topics, record.message, record.reason), record.reason)
                continue
            outcome = self.engine.obey(record.command, record.role, record.at_ms, record.position, self.next_offset)
            self.events.append(outcome)

    def expire(self, clock_ms: int, topics: TopicNames) -> None:
        """Lift what is over by the clock: the partition was read to its end and stands still."""
        position = Position(topics.verdicts, self.engine.partition, self.next_offset)
        lifted = self.engine.expire(clock_ms, position)
        if lifted:
            self.page.inputs.append(ClockInput(self.next_offset, clock_ms))
            self.events += lifted

    def _refuse(self, letters: Iterable[OutRecord], reason: Undecodable) -> None:
        self.letters += letters
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def skip_to(self, offset: int, from_offset: int) -> None:
        """Go on at `offset`, since retention took what stood from `from_offset` on."""
        self.page.inputs.append(GapInput(from_offset, offset))
        self.page.first_offset = min(self.page.first_offset, from_offset)
        self.next_offset = offset

    def records(self, serde: Serde, topics: TopicNames) -> Iterable[OutRecord]:
        """All that the next commit writes of this partition. Read it to its end; after a failure, restore."""
        self.commit += 1
        for event in self.events:
            yield from event_records(serde, topics, event)
        yield from self.letters
        yield from self._changelog_records(serde, topics)
        yield from self._journal_records(serde, topics)

    def _changelog_records(self, serde: Serde, topics: TopicNames) -> Iterable[OutRecord]:
        """A slice of the sweep if one is under way, then what changed, then the head.

        A sweep counts from the first record of the commit in which it began, even if its first slice held nothing alive.
        """
        engine = self.engine
        swept = [] if self.sweep is None else list(self.sweep.slice(engine, self._slice_size()))
        head = Head(
            commit=self.commit,
            next_verdict=self.next_offset,
            next_commands=self.next_commands,
            stream_time_ms=engine.stream_time_ms,
            policy_version=engine.policies.version,
            brake=dict(engine.brake),
        )
        begins = self.sweep is not None and self.swept_from is None
        for record in changelog.entries(self.commit, [*swept, *touched(engine)], head):
            value = serde.encode(topics.changelog, changelog.RECORD, record)
            self.log_bytes += len(value)
            yield OutRecord(
                topics.changelog,
                value,
                partition=engine.partition,
                delivered=self._sweep_begins_at if begins else None,
            )
            begins = False

    def _sweep_begins_at(self, offset: int) -> None:
        self.swept_from = offset

    def _slice_size(self) -> int:
        state = self.engine.table.state[0]
        return max(_SWEEP_SLICE, (int(state.sender_top) + int(state.cell_top)) // _SWEEP_COMMITS)

    def _journal_records(self, serde: Serde, topics: TopicNames) -> Iterable[OutRecord]:
        engine, partition = self.engine, self.engine.partition
        page = self.page.to_record(self.commit, self.next_offset)
        yield OutRecord(topics.journal, serde.encode(topics.journal, journal.COMMIT, page), partition=partition)
        if day_of(engine.stream_time_ms) != self.snapshot_day:
            self.snapshot_day = day_of(engine.stream_time_ms)
            for record in journal.snapshot_records(engine, self.commit, self.next_offset):
                value = serde.encode(topics.journal, journal.SNAPSHOT, record)
                yield OutRecord(topics.journal, value, partition=partition)

    def offsets(self, topics: TopicNames) -> list[Offset]:
        """What is committed with these records: the verdicts' with its mark, and for lag displays the commands'."""
        partition = self.engine.partition
        mark = CommitMark(self.changelog_start, self.commit)
        verdicts = mark.beside(topics.verdicts, partition, self.next_offset)
        return [verdicts, *command_offsets(topics, partition, self.next_commands)]

    def committed(self) -> int | None:
        """The commit went through. Returns the changelog offset up to which records may be deleted now, if any."""
        self.events, self.letters, self.reasons, self.has_commands = [], [], {}, False
        self._turn_page()
        trim = None
        if self.changelog_start > self.trimmed_to:
            self.trimmed_to = trim = self.changelog_start
        if self.sweep is not None and self.sweep.done and self.swept_from is not None:
            self.changelog_start = self.swept_from
            self.log_bytes -= self.bytes_before_sweep
            self.sweep = self.swept_from = None
        elif self.sweep is None and self.log_bytes > max(self.sweep_bytes, 2 * self._state_bytes()):
            self.sweep, self.bytes_before_sweep = Sweep(), self.log_bytes
        return trim

    def _state_bytes(self) -> int:
        """About what a sweep would write."""
        state = self.engine.table.state[0]
        names = GRANULE * int(state.name_top)
        kept = _KEPT_BYTES * (len(self.engine.restrictions) + len(self.engine.blocks))
        return names + _SENDER_BYTES * int(state.senders) + _CELL_BYTES * int(state.cells) + kept

    def _turn_page(self) -> None:
        self.page = JournalPage(self.next_offset)
        self.late_before = int(self.engine.table.state[0].late)


def _goes_back(before: str | None, now: str) -> bool:
    """Whether a version is older than one from the topic. A file's has no number: whoever gives one wants it."""
    if before is None or not before.isdecimal():
        return False
    return now == BUILT_IN_VERSION or (now.isdecimal() and int(now) < int(before))
