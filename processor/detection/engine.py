"""The detector of one partition: takes batches up and says what is to be published. No clock, no client, no I/O.

The compiled loop counts and stops where there is something to decide; the rules of restrictions, expiry and brake stand here.
What is told and kept depends on the records, the policies and their order alone, never on how the log was cut into batches.
"""

import heapq
from typing import cast

import numpy as np

from processor.detection import counting
from processor.detection.counting import bring_up, decide, drop_cells
from processor.detection.layout import Table, new_table
from processor.detection.limits import as_arrays
from processor.detection.senders import free_sender_if_idle, touch_sender
from processor.detection.windows import (
    DAY_MS,
    DAY_PANES,
    HOUR_PANES,
    day_of,
    is_late,
    next_midnight_ms,
    pane_of,
    window_ms,
)
from processor.policies.limits import LIMITS
from processor.policies.policy import Action, Policy, PolicySet
from processor.restrictions.events import (
    Cause,
    Evidence,
    Position,
    RestrictionEvent,
    SenderAlerted,
    SenderBlocked,
    SenderUnblocked,
    Trigger,
    UnblockReason,
    WindowCounters,
)
from processor.verdicts.batches import Batch

HISTORY_MS = 30 * DAY_MS
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
        self.policies = policies
        self.limits = as_arrays(policies)
        self.restrictions: dict[int, SenderBlocked] = {}
        self.blocks: dict[int, list[int]] = {}
        """When each sender was blocked in the last 30 days, epoch milliseconds."""
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

    def take(self, batch: Batch) -> list[RestrictionEvent]:
        """Count a batch and decide; the events in the order of the records that cause them. Raises TableFull."""
        events: list[RestrictionEvent] = []
        state = self.table.state[0]
        row, end = 0, len(batch)
        while True:
            row = decide(self.table, self.limits, batch.columns, batch.buffer, row, end)
            if state.stopped_for == counting.DONE:
                return events
            if state.stopped_for == counting.FULL:
                raise TableFull(self.partition)
            if state.stopped_for == counting.WAKE:
                now_ms = max(self.stream_time_ms, int(batch.columns.occurred_at_ms[row]))
                events += self._wake(now_ms, self._position(batch, row))
            else:
                events += self._decide(batch, row - 1)

    def _position(self, batch: Batch, row: int) -> Position:
        return Position(self.topic, self.partition, int(batch.offsets[row]))

    def _wake(self, now_ms: int, position: Position) -> list[RestrictionEvent]:
        """Before stream time reaches `now_ms`: restrictions that end by then, and once a day what need not be kept."""
        events: list[RestrictionEvent] = []
        while self._expiries and self._expiries[0][0] <= now_ms:
            until_ms, _, s = heapq.heappop(self._expiries)
            block = self.restrictions.get(s)
            if block is None or block.blocked_until_ms != until_ms:
                continue
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
            del self.restrictions[s]
            self._start_at_zero(s, until_ms, position.offset)
        if now_ms >= self._midnight_ms:
            self.forget(now_ms)
        self.set_wake()
        return events

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
        policy = self.policies.policies[int(self.table.senders[s].policy)]
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
            previous_blocks=self._previous_blocks(s),
            position=position,
            evidence=self._evidence(s, policy, k, record),
        )
        self.restrictions[s] = block
        self.blocks.setdefault(s, []).append(now_ms)
        sender = self.table.senders[s]
        sender.restricted = 1
        sender.kept = 1
        touch_sender(self.table, s)
        self._expect_expiry(s)
        self.set_wake()
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
            previous_blocks=self._previous_blocks(s),
            position=position,
            evidence=self._evidence(s, policy, k, record),
        )

    def _previous_blocks(self, s: int) -> int:
        since_ms = self.stream_time_ms - HISTORY_MS
        return sum(at_ms >= since_ms for at_ms in self.blocks.get(s, ()))

    def _evidence(self, s: int, policy: Policy, k: int, record: dict[str, object]) -> Evidence:
        limit = LIMITS[k]
        hour, day = self.counters(s)
        observed = float(counting.observed(self.table, self.limits, s, k))
        if limit.percent:
            observed = 100.0 * observed / (hour if limit.window == "hour" else day).messages
        bound = cast("float", policy.limits[limit.name])  # one that is None is never exceeded
        start_ms, end_ms = window_ms(self.stream_time_ms, HOUR_PANES if limit.window == "hour" else DAY_PANES)
        return Evidence(
            policy=policy.name,
            policy_version=self.policies.version,
            limit_name=limit.name,
            limit=float(bound),
            observed=observed,
            window_start_ms=start_ms,
            window_end_ms=end_ms,
            hour=hour,
            day=day,
            trigger=Trigger(
                event_id=str(record["event_id"]),
                message_id=None if record["message_id"] is None else str(record["message_id"]),
                client_ip=None if record["client_ip"] is None else str(record["client_ip"]),
                verdict=str(record["verdict"]),
            ),
        )

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
        first_expiry = self._expiries[0][0] if self._expiries else self._midnight_ms
        self.table.state[0].wake_at_ms = min(first_expiry, self._midnight_ms)

    def forget(self, now_ms: int) -> None:
        """Let go of history older than 30 days, of yesterday's alerts, and of release times that no countable record precedes."""
        self._midnight_ms = next_midnight_ms(now_ms)
        today, pane = day_of(now_ms), pane_of(now_ms)
        for s, blocked_at in list(self.blocks.items()):
            recent = [at_ms for at_ms in blocked_at if at_ms >= now_ms - HISTORY_MS]
            if recent:
                self.blocks[s] = recent
            else:
                del self.blocks[s]
        senders = self.table.senders[: int(self.table.state[0].sender_top)]
        for s in np.flatnonzero(senders["kept"]).tolist():
            sender = self.table.senders[s]
            if sender.counts_from_ms and is_late(pane_of(int(sender.counts_from_ms)), pane):
                sender.counts_from_ms = 0
                self.releases.pop(s, None)
            alerted_today = sender.alerted and sender.alerted_day == today
            if not (sender.counts_from_ms or alerted_today or s in self.restrictions or s in self.blocks):
                sender.kept = 0
                free_sender_if_idle(self.table, s)

    def counters(self, s: int) -> tuple[WindowCounters, WindowCounters]:
        """The hour's and the day's counters of a sender, as of the stream time."""
        bring_up(self.table, s)
        totals = [int(total) for total in self.table.totals[s]]
        return WindowCounters(*totals[:4]), WindowCounters(*totals[4:])
