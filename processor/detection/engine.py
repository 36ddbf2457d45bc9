"""The detector of one partition: takes batches up and says what is to be published. No clock, no client, no I/O.

The compiled loop counts and stops where there is something to decide; the rules of restrictions, expiry and brake stand here.
What is told and kept depends on the records, the policies and their order alone, never on how the log was cut into batches.
"""

import heapq
from collections.abc import Iterator

import numpy as np

from processor.detection import counting
from processor.detection.by_name import belongs_here, enter, is_room_for, number_of
from processor.detection.counting import decide, drop_cells
from processor.detection.evidence import evidence
from processor.detection.layout import Table, new_table
from processor.detection.limits import as_arrays
from processor.detection.resolving import Resolutions, unresolved
from processor.detection.senders import free_sender_if_idle, touch_sender
from processor.detection.windows import DAY_MS, day_of, is_late, next_midnight_ms, pane_of
from processor.policies.limits import LIMITS
from processor.policies.policy import Action, Policy, PolicySet
from processor.restrictions.commands import Command
from processor.restrictions.events import (
    Cause,
    Evidence,
    Position,
    Published,
    RestrictionEvent,
    SenderAlerted,
    SenderBlocked,
    SenderUnblocked,
    UnblockReason,
)
from processor.restrictions.life import HISTORY_MS, Role, Standing, answer, recent, refused
from processor.types import Bytes, Int64s, Uint32s
from processor.verdicts.batches import Batch

KEPT_MS = HISTORY_MS + DAY_MS
"""How long a block is remembered: 30 days back from the stream time, or from a command that is a little older than that."""
TIMES_MAX = 5_000
"""So many blocks, and so many unblocks, are remembered of one sender: a script that blocks and lifts for ever must not make what is
kept of him too large for a message, which no worker could then write."""
_BRAKE_BIT = 1 << 15


class TableFull(Exception):
    """A partition holds more senders or cells than there is address space reserved for."""

    def __init__(self, partition: int) -> None:
        super().__init__(
            f"partition {partition} holds more senders or five-minute counts than one partition can: "
            "spread the load over more partitions of message-verdicts"
        )


class Engine:
    """Counts and decisions of one partition."""

    def __init__(self, topic: str, partition: int, partitions: int, policies: PolicySet, seed: int) -> None:
        self.topic = topic
        self.partition = partition
        self.table: Table = new_table(partition, partitions, seed)
        self.adopt(policies)
        self.restrictions: dict[int, SenderBlocked] = {}
        self.blocks: dict[int, list[int]] = {}
        """When each sender was blocked in the last 30 days and a little more, epoch milliseconds."""
        self.unblocks: dict[int, list[int]] = {}
        """When an admin lifted his blocks, for as long."""
        self.releases: dict[int, int] = {}
        """The first offset that counts of each sender who was released in the last day."""
        self.brake: dict[int, int] = {}
        """How many blocks by a limit and holds fell in a pane, for the latest panes in which there were any."""
        self._expiries: list[tuple[int, str, int]] = []
        self._midnight_ms = 0

    @property
    def stream_time_ms(self) -> int:
        """The largest `occurred_at` accepted so far; -1 before the first record."""
        return int(self.table.state[0].stream_time_ms)

    def adopt(self, policies: PolicySet) -> None:
        """These policies decide from now on."""
        self.policies = policies
        self.limits = as_arrays(policies)
        self._resolutions = Resolutions(policies)
        self.table.senders["policy"][: int(self.table.state[0].sender_top)] = 0

    def take(self, batch: Batch) -> list[RestrictionEvent]:
        """Count a batch and decide; the events in the order of the records that cause them. Raises TableFull."""
        events: list[RestrictionEvent] = []
        state = self.table.state[0]
        row, end = 0, len(batch)
        batch.columns.policy[:end] = 0
        if self._resolutions.is_full:
            self.adopt(self.policies)
        while True:
            resolved = self._resolutions.arrays
            row = decide(self.table, self.limits, resolved, batch.columns, batch.buffer, row, end)
            if state.stopped_for == counting.DONE:
                return events
            if state.stopped_for == counting.FULL:
                raise TableFull(self.partition)
            if state.stopped_for == counting.WAKE:
                now_ms = max(self.stream_time_ms, int(batch.columns.occurred_at_ms[row]))
                events += self._wake(now_ms, self._position(batch, row))
            elif state.stopped_for == counting.POLICY:
                self._look_up(batch, row)
            else:
                events += self._decide(batch, row - 1)

    def count(self, batch: Batch) -> None:
        """Count a batch of the day before a state that was kept without counts; nothing is decided, nothing expires. Raises TableFull."""
        limits = self.limits._replace(bounds=np.full_like(self.limits.bounds, np.inf))
        state = self.table.state[0]
        state.wake_at_ms = np.iinfo(np.int64).max
        batch.columns.policy[: len(batch)] = 0
        row = 0
        while state.stopped_for != counting.DONE or row < len(batch):
            resolved = self._resolutions.arrays
            row = decide(self.table, limits, resolved, batch.columns, batch.buffer, row, len(batch))
            if state.stopped_for == counting.FULL:
                raise TableFull(self.partition)
            if state.stopped_for == counting.POLICY:
                self._look_up(batch, row)
        self.set_wake()

    def drop_counts(self, s: int) -> None:
        """Take the counts of sender number `s` away, as when he was released."""
        drop_cells(self.table, s)

    def _position(self, batch: Batch, row: int) -> Position:
        return Position(self.topic, self.partition, int(batch.offsets[row]))

    def _look_up(self, batch: Batch, first: int) -> None:
        """Find the policy for every row from `first` on whose sender's is not known: once a batch, not once a row."""
        columns, buffer = batch.columns, batch.buffer
        rows = np.zeros(len(batch) - first, np.int64)
        rows = rows[: unresolved(self.table, self._resolutions.arrays, columns, buffer, first, len(batch), rows)]
        senders = _texts(buffer, columns.sender_start[rows], columns.sender_length[rows])
        tenants = _texts(buffer, columns.tenant_start[rows], columns.tenant_length[rows])
        columns.policy[rows] = [self._resolutions.number_of(*each) for each in zip(senders, tenants, strict=True)]

    def _wake(self, now_ms: int, position: Position) -> list[RestrictionEvent]:
        """Before stream time reaches `now_ms`: restrictions that end by then, and once a day what need not be kept."""
        events = self.expire(now_ms, position)
        if now_ms >= self._midnight_ms:
            self.forget(now_ms)
        self.set_wake()
        return events

    @property
    def next_expiry_ms(self) -> int | None:
        """When the first of the restrictions ends, epoch milliseconds; None: none ends by itself."""
        while self._expiries and not self._is_expected(*self._expiries[0]):
            heapq.heappop(self._expiries)
        return self._expiries[0][0] if self._expiries else None

    def _is_expected(self, until_ms: int, sender: str, s: int) -> bool:
        """Whether that restriction is still in force: it may have been lifted meanwhile."""
        block = self.restrictions.get(s)
        return block is not None and (block.blocked_until_ms, block.sender) == (until_ms, sender)

    def expire(self, now_ms: int, position: Position) -> list[RestrictionEvent]:
        """Lift the restrictions that are over at `now_ms`: stream time, or the clock where the partition stands still.

        `position` is that of the verdict before which this applies.
        """
        events: list[RestrictionEvent] = []
        while (until_ms := self.next_expiry_ms) is not None and until_ms <= now_ms:
            _, _, s = heapq.heappop(self._expiries)
            block = self.restrictions.pop(s)
            events.append(
                SenderUnblocked(
                    block_id=block.block_id,
                    tenant_id=block.tenant_id,
                    sender=block.sender,
                    reason=UnblockReason.EXPIRED,
                    unblocked_at_ms=until_ms,
                    position=position,
                )
            )
            self._start_at_zero(s, until_ms, position.offset)
        self.set_wake()
        return events

    def obey(self, command: Command, role: Role, at_ms: int, position: Position, before_offset: int) -> Published:
        """Carry out a command that Kafka appended at `at_ms`, before the verdict of `before_offset`; or refuse it.

        A refused command changes nothing. Raises TableFull.
        """
        name = command.sender.encode()
        if not belongs_here(self.table, name):
            return refused(
                command,
                at_ms,
                position,
                "the command is not in the partition of its sender: key it by the sender, with the partitioner murmur2",
            )
        s = number_of(self.table, name)
        standing = Standing(self.restrictions.get(s), self.blocks.get(s, ()), self.unblocks.get(s, ()))
        policy = self.policies.policies[self.policies.matcher.row_of(command.sender, command.tenant_id)]
        outcome = answer(command, role, standing, policy.unblocks_without_support, at_ms, position)
        if isinstance(outcome, SenderUnblocked):
            del self.restrictions[s]
            if role is Role.ADMIN:
                _remember(self.unblocks, s, at_ms)
            self._start_at_zero(s, at_ms, before_offset)
        elif isinstance(outcome, SenderBlocked):
            if s == 0 and not is_room_for(self.table, name):
                raise TableFull(self.partition)
            self._restrict(s or enter(self.table, name), outcome)
        return outcome

    def _restrict(self, s: int, block: SenderBlocked) -> None:
        self.restrictions[s] = block
        _remember(self.blocks, s, block.blocked_at_ms)
        sender = self.table.senders[s]
        sender.restricted = 1
        sender.kept = 1
        touch_sender(self.table, s)
        self._expect_expiry(s)
        self.set_wake()

    def _start_at_zero(self, s: int, from_ms: int, from_offset: int) -> None:
        """Take the sender's counts away; of what stands at `from_offset` or later, only what occurs from `from_ms` on counts."""
        drop_cells(self.table, s)
        if from_ms > 0:
            self.releases[s] = from_offset
        sender = self.table.senders[s]
        sender.restricted = 0
        sender.counts_from_ms = from_ms
        sender.kept = 1
        touch_sender(self.table, s)

    def _decide(self, batch: Batch, row: int) -> list[RestrictionEvent]:
        state = self.table.state[0]
        s = int(state.decided_sender)
        exceeded = int(state.exceeded)
        policy = self.policies.policies[self._resolutions.row_of(int(self.table.senders[s].policy))]
        record = batch.record(row)
        position = self._position(batch, row)
        if policy.action is Action.ALERT:
            self._mark_alerted(s, exceeded)
            return [
                self._alerted(s, policy, k, Cause.LIMIT, record, position)
                for k in range(len(LIMITS))
                if exceeded & (1 << k)
            ]
        k = (exceeded & -exceeded).bit_length() - 1
        pane = pane_of(self.stream_time_ms)
        self.brake = {at: count for at, count in self.brake.items() if at >= pane - 1}
        holds = sum(self.brake.values()) >= self.policies.brake_blocks
        self.brake[pane] = self.brake.get(pane, 0) + 1
        if holds:
            return self._hold(s, policy, k, record, position)
        return [self._block(s, policy, k, record, position)]

    def _block(self, s: int, policy: Policy, k: int, record: dict[str, object], position: Position) -> SenderBlocked:
        now_ms = self.stream_time_ms
        until_ms = next_midnight_ms(now_ms) if policy.action is Action.BLOCK_UNTIL_TOMORROW else None
        block = SenderBlocked(
            tenant_id=str(record["tenant_id"]),
            sender=str(record["sender"]),
            cause=Cause.LIMIT,
            blocked_at_ms=now_ms,
            blocked_until_ms=until_ms,
            action=policy.action.value,
            previous_blocks=recent(self.blocks.get(s, ()), now_ms),
            previous_unblocks=recent(self.unblocks.get(s, ()), now_ms),
            position=position,
            evidence=self._evidence(s, policy, k, record),
        )
        self._restrict(s, block)
        return block

    def _hold(
        self, s: int, policy: Policy, k: int, record: dict[str, object], position: Position
    ) -> list[RestrictionEvent]:
        """The brake holds: nobody is blocked, the sender starts at zero, and is alerted on once a UTC day."""
        sender = self.table.senders[s]
        told = sender.alerted_day == day_of(self.stream_time_ms) and int(sender.alerted) & _BRAKE_BIT
        events: list[RestrictionEvent] = []
        if not told:
            events.append(self._alerted(s, policy, k, Cause.BRAKE, record, position))
            self._mark_alerted(s, _BRAKE_BIT)
        self._start_at_zero(s, self.stream_time_ms, position.offset + 1)
        return events

    def _mark_alerted(self, s: int, bits: int) -> None:
        sender = self.table.senders[s]
        today = day_of(self.stream_time_ms)
        sender.alerted = bits | (int(sender.alerted) if sender.alerted_day == today else 0)
        sender.alerted_day = today
        sender.kept = 1
        touch_sender(self.table, s)

    def _alerted(
        self, s: int, policy: Policy, k: int, cause: Cause, record: dict[str, object], position: Position
    ) -> SenderAlerted:
        return SenderAlerted(
            tenant_id=str(record["tenant_id"]),
            sender=str(record["sender"]),
            cause=cause,
            alerted_at_ms=self.stream_time_ms,
            action=policy.action.value,
            previous_blocks=recent(self.blocks.get(s, ()), self.stream_time_ms),
            position=position,
            evidence=self._evidence(s, policy, k, record),
        )

    def _evidence(self, s: int, policy: Policy, k: int, record: dict[str, object]) -> Evidence:
        return evidence(self.table, self.limits, s, k, policy, self.policies.version, record)

    def _expect_expiry(self, s: int) -> None:
        block = self.restrictions[s]
        if block.blocked_until_ms is not None:
            heapq.heappush(self._expiries, (block.blocked_until_ms, block.sender, s))

    def expect_expiries(self) -> None:
        """Order the expiries of all restrictions anew, after a restore."""
        self._expiries = []
        for s in self.restrictions:
            self._expect_expiry(s)

    def set_wake(self) -> None:
        """Tell the loop before which stream time it has to stop next."""
        first_expiry_ms = self.next_expiry_ms
        wake_at_ms = self._midnight_ms if first_expiry_ms is None else min(first_expiry_ms, self._midnight_ms)
        self.table.state[0].wake_at_ms = wake_at_ms

    def forget(self, now_ms: int) -> None:
        """Let go of history older than 30 days, of yesterday's alerts, and of release times that no countable record precedes."""
        self._midnight_ms = next_midnight_ms(now_ms)
        today, pane = day_of(now_ms), pane_of(now_ms)
        for history in (self.blocks, self.unblocks):
            for s, times_ms in list(history.items()):
                kept = [at_ms for at_ms in times_ms if at_ms >= now_ms - KEPT_MS]
                if kept:
                    history[s] = kept
                else:
                    del history[s]
        senders = self.table.senders[: int(self.table.state[0].sender_top)]
        for s in np.flatnonzero(senders["kept"]).tolist():
            sender = self.table.senders[s]
            if sender.counts_from_ms and is_late(pane_of(int(sender.counts_from_ms)), pane):
                sender.counts_from_ms = 0
                self.releases.pop(s, None)
            alerted_today = sender.alerted and sender.alerted_day == today
            remembered = s in self.restrictions or s in self.blocks or s in self.unblocks
            if not (sender.counts_from_ms or alerted_today or remembered):
                sender.kept = 0
                free_sender_if_idle(self.table, s)


def _remember(history: dict[int, list[int]], s: int, at_ms: int) -> None:
    times_ms = history.setdefault(s, [])
    times_ms.append(at_ms)
    del times_ms[:-TIMES_MAX]


def _texts(buffer: Bytes, starts: Int64s, lengths: Uint32s) -> Iterator[bytes]:
    data = buffer.data
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        yield bytes(data[start : start + length])
