"""What policies would have decided on a log: who is blocked, and how much of his mail that would have stopped.

The log is taken up once, however many sets of policies are tried on it. Where it comes from is nobody's business here: files of a mail
filter, or one partition of the topic. What was refused while a sender was really blocked left no verdict, and cannot be counted.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from processor.audit.stopped_mail import (
    BULK_MESSAGES,
    FIRST_MS,
    LAST_MS,
    MESSAGES,
    SENDERS,
    SPAM_MESSAGES,
    Stretches,
    count_stopped,
    number_senders,
)
from processor.avro import Undecodable
from processor.detection.by_name import enter, is_room_for, number_of
from processor.detection.engine import Engine, TableFull
from processor.detection.layout import new_table
from processor.policies.policy import PolicySet
from processor.restrictions.events import Cause, Published, SenderAlerted, SenderBlocked, SenderUnblocked
from processor.types import Int64s
from processor.verdicts.batches import Batch

Scalar = TypeVar("Scalar", bound=np.generic)

_FIRST_ROOM = 64
_EVER_MS = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Stopped:
    """Mail of a blocked sender that would not have left."""

    messages: int = 0
    spam_messages: int = 0

    def __add__(self, other: "Stopped") -> "Stopped":
        return Stopped(self.messages + other.messages, self.spam_messages + other.spam_messages)


@dataclass(frozen=True, slots=True)
class TriedBlock:
    """A block that would have been, how it would have ended within the log, and what it would have stopped."""

    block: SenderBlocked
    end: SenderUnblocked | None
    stopped: Stopped


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one set of policies decides: all events in their order, and of the blocks what they stop."""

    policies: PolicySet
    events: tuple[Published, ...]
    blocks: tuple[TriedBlock, ...]

    @property
    def blocked_senders(self) -> frozenset[str]:
        return frozenset(each.block.sender for each in self.blocks)

    @property
    def stopped(self) -> Stopped:
        return sum((each.stopped for each in self.blocks), Stopped())

    @property
    def alerts(self) -> int:
        """How often a limit was passed of a policy that only alerts."""
        return self._alerted(Cause.LIMIT)

    @property
    def holds(self) -> int:
        """How many senders the brake held back a block of, each counted once a UTC day."""
        return self._alerted(Cause.BRAKE)

    def _alerted(self, cause: Cause) -> int:
        return sum(isinstance(event, SenderAlerted) and event.cause is cause for event in self.events)


@dataclass(frozen=True, slots=True)
class Totals:
    """What the log holds, whatever the policies. `rejected` are no part of `records`; the times are None where there are none.

    `spam_messages` are those that are spam under every policy, `bulk_messages` those that some policies take for spam too.
    """

    records: int
    spam_messages: int
    bulk_messages: int
    senders: int
    first_ms: int | None
    last_ms: int | None
    late: int
    rejected: Mapping[Undecodable, int] = field(default_factory=dict)


def totals_together(parts: Sequence[Totals]) -> Totals:
    """Of several partitions, in which no sender is twice."""
    rejected: Counter[Undecodable] = Counter()
    for part in parts:
        rejected.update(part.rejected)
    return Totals(
        records=sum(part.records for part in parts),
        spam_messages=sum(part.spam_messages for part in parts),
        bulk_messages=sum(part.bulk_messages for part in parts),
        senders=sum(part.senders for part in parts),
        first_ms=min((part.first_ms for part in parts if part.first_ms is not None), default=None),
        last_ms=max((part.last_ms for part in parts if part.last_ms is not None), default=None),
        late=sum(part.late for part in parts),
        rejected=dict(rejected),
    )


def outcomes_together(parts: Sequence[Outcome]) -> Outcome:
    """Of one set of policies on several partitions: by time, and within a partition in the order of its log."""
    events = tuple(event for _, event in heapq.merge(*map(_by_time, parts), key=itemgetter(0)))
    places = {event.event_id: place for place, event in enumerate(events)}
    blocks = sorted((each for part in parts for each in part.blocks), key=lambda each: places[each.block.block_id])
    # Of what was in force: the newest, since partitions may end, or a range ends in them, under different versions.
    policies = max((part.policies for part in parts), key=lambda each: _number(each.version))
    return Outcome(policies, events, tuple(blocks))


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else -1


def _by_time(outcome: Outcome) -> Iterator[tuple[int, Published]]:
    """The events, each with the latest time up to there: commands go by Kafka's clock, which need not be that of the records."""
    latest_ms = -1
    for event in outcome.events:
        latest_ms = max(latest_ms, event.occurred_at_ms)
        yield latest_ms, event


class WhatIf:
    """Takes one partition of a log up, in order, under each of the given policies."""

    def __init__(self, engines: Sequence[Engine], *, seed: int, partitions: int = 1) -> None:
        """The engines, one at least, stand at the same place of the log; `seed` is theirs and that of the batches' decoder."""
        partition = engines[0].partition
        self.trials = tuple(map(Trial, engines))
        self._senders = new_table(partition, partitions, seed)
        self._numbers = np.zeros(0, np.int64)
        self._totals = np.array([0, 0, 0, 0, _EVER_MS, -1], np.int64)
        self._rejected: Counter[Undecodable] = Counter()
        self._partition = partition

    @classmethod
    def from_the_beginning(
        cls, policy_sets: Sequence[PolicySet], *, topic: str, seed: int, partition: int = 0, partitions: int = 1
    ) -> Self:
        """Nothing of the log was taken up yet. `topic` is what the positions of events call it."""
        engines = [Engine(topic, partition, partitions, policies, seed) for policies in policy_sets]
        return cls(engines, seed=seed, partitions=partitions)

    def take(self, batch: Batch) -> None:
        """The next records. Raises TableFull."""
        end = len(batch)
        statuses = batch.columns.status[:end]
        decoded = statuses.copy()
        for number, trial in enumerate(self.trials):
            statuses[:] = decoded
            events = trial.engine.take(batch)
            if number == 0:  # that is when it is known which records are at home in this partition
                self._look_at(batch)
            trial.note(events, self)
            trial.count(batch, self._numbers)

    def _look_at(self, batch: Batch) -> None:
        end = len(batch)
        if end > len(self._numbers):
            self._numbers = np.zeros(2 * end, np.int64)
        if not number_senders(self._senders, batch.columns, batch.buffer, end, self._numbers, self._totals):
            raise TableFull(self._partition)
        self._rejected.update(reason for _, reason in batch.rejected())

    def apply(self, what: Callable[[Engine], Sequence[Published]]) -> None:
        """Something that is no record applies now, on each engine: a command, or an expiry by the clock; it gives what is published.

        Raises TableFull.
        """
        for trial in self.trials:
            trial.note(what(trial.engine), self)

    def sender_number(self, sender: str) -> int:
        """The number of a sender. Raises TableFull."""
        name = sender.encode()
        number = number_of(self._senders, name)
        if number == 0:
            if not is_room_for(self._senders, name):
                raise TableFull(self._partition)
            number = enter(self._senders, name)
        return number

    @property
    def totals(self) -> Totals:
        """What has been taken up so far."""
        records = int(self._totals[MESSAGES])
        return Totals(
            records=records,
            spam_messages=int(self._totals[SPAM_MESSAGES]),
            bulk_messages=int(self._totals[BULK_MESSAGES]),
            senders=int(self._totals[SENDERS]),
            first_ms=int(self._totals[FIRST_MS]) if records else None,
            last_ms=int(self._totals[LAST_MS]) if records else None,
            late=int(self.trials[0].engine.table.state[0].late),
            rejected=dict(self._rejected),
        )

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What each set of policies has decided so far, in the order in which they were given."""
        return tuple(trial.outcome() for trial in self.trials)


class Trial:
    """One set of policies on the way through the log."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._events: list[Published] = []
        self._blocks: list[SenderBlocked] = []
        self._ends: dict[str, SenderUnblocked] = {}
        self._rows: dict[str, int] = {}
        self._stretches = _no_stretches()

    def note(self, events: Sequence[Published], log: WhatIf) -> None:
        """What the engine decided, or obeyed, before the records that are counted next."""
        self._events += events
        for event in events:
            if isinstance(event, SenderBlocked):
                self._begin(event, log.sender_number(event.sender))
            elif (
                isinstance(event, SenderUnblocked) and event.block_id in self._rows
            ):  # else he was blocked before all this
                self._ends[event.block_id] = event
                self._stretches.until_ms[self._rows[event.block_id]] = event.unblocked_at_ms

    def count(self, batch: Batch, numbers: Int64s) -> None:
        """Count what of a batch would have been stopped."""
        if self._blocks:
            self._make_room(int(numbers[: len(batch)].max(initial=0)))
            count_stopped(self._stretches, batch.columns, numbers, batch.offsets, len(batch))

    def outcome(self) -> Outcome:
        """What has been decided so far."""
        messages, spam = self._stretches.messages.tolist(), self._stretches.spam_messages.tolist()
        return Outcome(
            self.engine.policies,
            tuple(self._events),
            tuple(
                TriedBlock(block, self._ends.get(block.block_id), Stopped(messages[row], spam[row]))
                for row, block in enumerate(self._blocks, start=1)
            ),
        )

    def _begin(self, block: SenderBlocked, sender: int) -> None:
        self._blocks.append(block)
        row = len(self._blocks)
        self._rows[block.block_id] = row
        self._make_room(sender, row)
        stretches = self._stretches
        policy = self.engine.policies.named(block.evidence.policy if block.evidence else None)
        stretches.older[row] = stretches.newest[sender]
        stretches.newest[sender] = row
        # A command stands in another topic, whose offsets are others.
        stretches.offset[row] = block.position.offset if block.cause is Cause.LIMIT else -1
        stretches.from_ms[row] = block.blocked_at_ms
        stretches.until_ms[row] = _EVER_MS if block.blocked_until_ms is None else block.blocked_until_ms
        stretches.bulk_is_spam[row] = policy.bulk_is_spam

    def _make_room(self, sender: int, row: int = 0) -> None:
        stretches = self._stretches
        if sender >= len(stretches.newest):
            stretches = stretches._replace(newest=_longer(stretches.newest, sender))
        if row >= len(stretches.older):
            grown = {name: _longer(array, row) for name, array in stretches._asdict().items() if name != "newest"}
            stretches = stretches._replace(**grown)
        self._stretches = stretches


def _no_stretches() -> Stretches:
    def column() -> Int64s:
        return np.zeros(_FIRST_ROOM, np.int64)

    return Stretches(
        newest=column(),
        older=column(),
        offset=column(),
        from_ms=column(),
        until_ms=column(),
        bulk_is_spam=np.zeros(_FIRST_ROOM, np.bool_),
        messages=column(),
        spam_messages=column(),
    )


def _longer(array: npt.NDArray[Scalar], place: int) -> npt.NDArray[Scalar]:
    grown = np.zeros(max(2 * len(array), place + 1), array.dtype)
    grown[: len(array)] = array
    return grown
