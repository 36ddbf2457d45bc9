"""One partition lives again: its verdicts, and between them what its journal says, through the same engine (design, section 8).

What the journal says of the verdicts is held against the verdicts themselves; where the two differ, that is told, and the replay
goes on with what there is.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from processor.audit.pages import Page, Snapshot
from processor.avro import Undecodable
from processor.detection.changes import apply, rebuild
from processor.detection.engine import Engine
from processor.detection.inputs import ClockInput, CommandInput, GapInput, Input, PolicyInput
from processor.policies.policy import PolicySet
from processor.restrictions.commands import Command
from processor.restrictions.events import Position, Published
from processor.restrictions.life import Role
from processor.types import Int64s
from processor.verdicts.batches import REASONS, Batch, Decoder
from processor.verdicts.columns import OK, UNREADABLE
from processor.verdicts.digest import RangeDigest

_STATUS_OF = {reason: code for code, reason in REASONS.items()}
_BEYOND_THE_BYTES = frozenset({Undecodable.UNKNOWN_SCHEMA, Undecodable.UNREADABLE, Undecodable.TIME_IN_THE_FUTURE})
"""Why a record is rejected that somebody else may be able to read: with a schema that came later, or from a copy, which is stamped anew."""


class Fault(StrEnum):
    """What can be wrong with the logs themselves."""

    VERDICTS_DIFFER = "VERDICTS_DIFFER"
    VERDICTS_MISSING = "VERDICTS_MISSING"
    JOURNAL_RECORD_MISSING = "JOURNAL_RECORD_MISSING"
    JOURNAL_RECORD_UNEXPECTED = "JOURNAL_RECORD_UNEXPECTED"
    REJECTED_DIFFER = "REJECTED_DIFFER"
    POLICIES_MISSING = "POLICIES_MISSING"
    COMMAND_MISSING = "COMMAND_MISSING"
    RETENTION_GAP = "RETENTION_GAP"


@dataclass(frozen=True, slots=True)
class LogFault:
    """A fault of the logs between two offsets of the verdicts, the second one exclusive; `message` says it to people."""

    fault: Fault
    partition: int
    from_offset: int
    to_offset: int
    message: str


@dataclass(frozen=True, slots=True)
class GivenCommand:
    """A command as it stands in its topic, and when Kafka appended it."""

    command: Command
    at_ms: int


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the replay finds what the journal names. `policies_of` gives None for a version that is not there."""

    policies_of: Callable[[str], PolicySet | None]
    commands: Mapping[tuple[Role, int], GivenCommand]
    command_topics: Mapping[Role, str]


class Decider(Protocol):
    """What decides again: an engine, or several of them side by side. All raise TableFull."""

    def take(self, batch: Batch) -> Sequence[Published]: ...
    def adopt(self, policies: PolicySet) -> None: ...
    def expire(self, now_ms: int, position: Position) -> Sequence[Published]: ...
    def obey(self, command: Command, role: Role, at_ms: int, position: Position, before_offset: int) -> Published: ...


class Replay:
    """The replay of one partition. Give it verdicts in the order of their offsets, then `finish` it."""

    def __init__(
        self, engine: Engine, decoder: Decoder, pages: Iterable[Page], sources: Sources, *, after_commit: int = 0
    ) -> None:
        """The engine stands where the worker's stood after `after_commit`; the pages are those that follow."""
        self.engine = engine
        self.events: list[Published] = []
        self.faults: list[LogFault] = []
        self.records = 0
        self._decider: Decider = engine
        self._decoder = decoder
        self._pages = deque(pages)
        self._sources = sources
        self._inputs: deque[Input] = deque()
        self._page: Page | None = None
        self._following = after_commit + 1
        """The number that the next page must have."""
        self._next_offset = 0
        self._digest = RangeDigest()
        self._taken = 0
        self._rejected: list[int] = []

    def hand_over(self, decider: Decider) -> None:
        """From here on it is `decider` that decides; the engine stays where it is."""
        self._decider = decider

    def take(self, values: Sequence[bytes | None], offsets: Int64s, timestamps_ms: Int64s) -> None:
        """The next verdicts, one entry a record in each."""
        row = 0
        while row < len(values):
            offset = int(offsets[row])
            self._open_page(offset)
            self._apply_inputs(offset)
            until = self._boundary()
            end = len(values) if until is None else int(np.searchsorted(offsets, until))
            self._take(values[row:end], offsets[row:end], timestamps_ms[row:end])
            row = end

    def finish(self, last_commit: int, next_offset: int) -> None:
        """No verdict follows; what the journal says after the last one applies. `last_commit` ended before `next_offset`."""
        while self._page is not None or self._pages:
            if self._page is None:
                self._begin(self._pages.popleft())
            self._close_page()
        self._expect(last_commit + 1, next_offset)

    def _open_page(self, offset: int) -> None:
        """Close the pages that end at or before `offset`, and open the one that it belongs to, if there is one."""
        while True:
            if self._page is not None:
                if offset < self._page.next_offset:
                    return
                self._close_page()
            if not self._pages or self._pages[0].first_offset > offset:
                return
            self._begin(self._pages.popleft())

    def _begin(self, page: Page) -> None:
        self._expect(page.commit, page.first_offset)
        if page.commit < self._following:
            message = f"commit {page.commit} of the journal: there once more, or out of its place; it is left out"
            self._fault(Fault.JOURNAL_RECORD_UNEXPECTED, page.first_offset, page.next_offset, message)
            return
        self._page, self._inputs = page, deque(page.inputs)
        self._digest, self._taken, self._rejected = RangeDigest(), 0, []

    def _expect(self, commit: int, first_offset: int) -> None:
        """The next page has this number; those before it must have been there."""
        if commit > self._following:
            missing = (
                f"commit {self._following}"
                if commit == self._following + 1
                else f"commits {self._following} to {commit - 1}"
            )
            message = f"{missing} of the journal: not there; what else was decided on then is not known"
            self._fault(Fault.JOURNAL_RECORD_MISSING, self._next_offset, first_offset, message)

    def _close_page(self) -> None:
        page = self._page
        if page is None:
            return
        self._apply_inputs(page.next_offset)
        self._check(page)
        self._page, self._following, self._next_offset = None, page.commit + 1, page.next_offset

    def _check(self, page: Page) -> None:
        if self._taken < page.records:
            self._fault(
                Fault.VERDICTS_MISSING,
                page.first_offset,
                page.next_offset,
                f"{page.records - self._taken} of the {page.records} verdicts of commit {page.commit} are not there",
            )
        elif self._taken > page.records or (self._digest.values(), self._digest.places()) != (
            page.values_digest,
            page.places_digest,
        ):
            self._fault(
                Fault.VERDICTS_DIFFER,
                page.first_offset,
                page.next_offset,
                f"the verdicts are not those that commit {page.commit} was decided on: "
                + ("one of them has changed" if self._taken == page.records else "there are more of them"),
            )
        elif sorted(self._rejected) != sorted(page.rejected):
            self._fault(
                Fault.REJECTED_DIFFER,
                page.first_offset,
                page.next_offset,
                f"commit {page.commit} has rejected other records than are rejected here",
            )

    def _boundary(self) -> int | None:
        """Before which offset to stop next: an input, or the end of the page or of what no page tells of."""
        if self._page is None:
            return self._pages[0].first_offset if self._pages else None
        if self._inputs:
            return min(self._inputs[0].before_offset, self._page.next_offset)
        return self._page.next_offset

    def _take(self, values: Sequence[bytes | None], offsets: Int64s, timestamps_ms: Int64s) -> None:
        batch = self._decoder.batch(values, offsets, timestamps_ms)
        if self._page is not None:
            self._reject(batch, self._page)
        self.events += self._decider.take(batch)
        self._digest.add(batch)
        self._taken += len(batch)
        self.records += len(batch)
        self._rejected += [int(offsets[row]) for row, _ in batch.rejected()]

    def _reject(self, batch: Batch, page: Page) -> None:
        """What the worker could not read is not read here either, though a schema may be known by now."""
        for offset, reason in page.rejected.items():
            if reason not in _BEYOND_THE_BYTES:
                continue  # the same bytes are rejected again; if not, that is a fault
            row = int(np.searchsorted(batch.offsets, offset))
            if row < len(batch) and batch.offsets[row] == offset and batch.columns.status[row] == OK:
                batch.columns.status[row] = _STATUS_OF[reason]

    def _apply_inputs(self, offset: int) -> None:
        """Everything that applied before the verdict at `offset`."""
        while self._inputs and self._inputs[0].before_offset <= offset:
            self._apply(self._inputs.popleft())

    def _apply(self, each: Input) -> None:
        before = each.before_offset
        if isinstance(each, PolicyInput):
            policies = self._sources.policies_of(each.version)
            if policies is None:
                message = f"version {each.version} of the policies is not there: decisions are compared with those of the one before"
                self._fault(Fault.POLICIES_MISSING, before, before, message)
            else:
                self._decider.adopt(policies)
        elif isinstance(each, GapInput):
            message = "retention had taken these verdicts before they were read: they were never counted"
            self._fault(Fault.RETENTION_GAP, each.from_offset, before, message)
        elif isinstance(each, ClockInput):
            position = Position(self.engine.topic, self.engine.partition, before)
            self.events += self._decider.expire(each.clock_ms, position)
        else:
            self._obey(each)

    def _obey(self, each: CommandInput) -> None:
        if each.rejected is not None:
            return
        topic = self._sources.command_topics[each.role]
        given = self._sources.commands.get((each.role, each.offset))
        if given is None:
            message = f"the command at offset {each.offset} of {topic} is not there"
            self._fault(Fault.COMMAND_MISSING, each.before_offset, each.before_offset, message)
            return
        position = Position(topic, self.engine.partition, each.offset)
        self.events.append(self._decider.obey(given.command, each.role, given.at_ms, position, each.before_offset))

    def _fault(self, fault: Fault, from_offset: int, to_offset: int, message: str) -> None:
        self.faults.append(LogFault(fault, self.engine.partition, from_offset, to_offset, message))


class WarmUp:
    """Counts the day before a snapshot, so that the engine stands where the worker stood after that commit."""

    def __init__(self, engine: Engine, decoder: Decoder, snapshot: Snapshot) -> None:
        for chunk in snapshot.senders:
            apply(engine, chunk)
        rebuild(engine, snapshot.stream_time_ms, snapshot.brake)
        self._engine = engine
        self._decoder = decoder
        # From his release on a sender's counts start at zero.
        self._drops = deque(sorted((offset, s) for s, offset in engine.releases.items()))

    def take(self, values: Sequence[bytes | None], offsets: Int64s, timestamps_ms: Int64s, rejected: Int64s) -> None:
        """Verdicts before the snapshot, in order; `rejected` are the offsets of those that were, sorted."""
        row = 0
        while row < len(values):
            self.drop_before(int(offsets[row]) + 1)
            end = int(np.searchsorted(offsets, self._drops[0][0])) if self._drops else len(values)
            batch = self._decoder.batch(values[row:end], offsets[row:end], timestamps_ms[row:end])
            statuses = batch.columns.status[: len(batch)]
            statuses[np.isin(batch.offsets, rejected) & (statuses == OK)] = UNREADABLE
            self._engine.count(batch)
            row = end

    def drop_before(self, offset: int) -> None:
        """Drop what was counted of senders who were released before `offset`."""
        while self._drops and self._drops[0][0] < offset:
            self._engine.drop_counts(self._drops.popleft()[1])

    def finish(self, next_offset: int) -> None:
        """The snapshot's own place is reached."""
        self.drop_before(next_offset + 1)
