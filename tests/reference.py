"""The plain model of design section 2: one record at a time, dictionaries and sums, no care for speed.

It shares no code with the engine but the events that both return. What it says is right; the engine has to agree.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from processor.policies.policy import Action, PolicySet
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
from processor.verdicts.event import MessageVerdict, Verdict

PANE, DAY = 300_000, 86_400_000
SPAM = {"SPAM", "HIGH_CONFIDENCE_SPAM", "PHISH", "HIGH_CONFIDENCE_PHISH", "MALWARE"}


@dataclass
class Sender:
    """What is known of a sender: counts by pane, and since when they count."""

    panes: dict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0, 0]))
    counts_from: int = 0
    block: SenderBlocked | None = None
    blocked_at: list[int] = field(default_factory=list)
    alerted: set[tuple[int, str]] = field(default_factory=set)

    def window(self, last: int, panes: int) -> WindowCounters:
        inside = [counts for pane, counts in self.panes.items() if last - panes < pane <= last]
        return WindowCounters(*(sum(column) for column in zip([0, 0, 0, 0], *inside, strict=True)))

    def restart(self, at: int) -> None:
        self.block, self.counts_from = None, at
        self.panes.clear()


class Reference:
    """One partition. `take` one record after the other, in offset order."""

    def __init__(self, topic: str, partition: int, policies: PolicySet) -> None:
        self.topic, self.partition, self.policies = topic, partition, policies
        self.policy = policies.policies[-1]
        self.senders: dict[str, Sender] = defaultdict(Sender)
        self.stream_time = -1
        self.brake: list[int] = []

    def take(self, offset: int, record: MessageVerdict) -> list[RestrictionEvent]:
        position = Position(self.topic, self.partition, offset)
        now = max(self.stream_time, record.occurred_at_ms)
        due = [s.block for s in self.senders.values() if s.block and (s.block.blocked_until_ms or now + 1) <= now]
        events: list[RestrictionEvent] = [
            self.expire(block, position) for block in sorted(due, key=lambda b: (b.blocked_until_ms or 0, b.sender))
        ]
        self.stream_time = now
        current, pane = now // PANE, record.occurred_at_ms // PANE
        if pane <= current - 288:
            return events  # late
        sender = self.senders[record.sender]
        if record.occurred_at_ms < sender.counts_from:
            return events
        spam = record.verdict.name in SPAM or (self.policy.bulk_is_spam and record.verdict is Verdict.BULK)
        for i, n in enumerate((1, int(spam), record.internal_recipients, record.external_recipients)):
            sender.panes[pane][i] += n
        return events if sender.block else events + self.decide(sender, record, position)

    def expire(self, block: SenderBlocked, position: Position) -> SenderUnblocked:
        until = block.blocked_until_ms
        assert until is not None
        self.senders[block.sender].restart(until)
        return SenderUnblocked(block.block_id, block.tenant_id, block.sender, UnblockReason.EXPIRED, until, position)

    def exceeded(self, hour: WindowCounters, day: WindowCounters) -> list[tuple[str, int, float]]:
        percent = 100.0 * day.spam_messages / day.messages
        enough = day.messages >= self.policy.spam_percent_min_messages
        share = self.policy.limits.get("spam_percent_per_day") if enough else None
        observed = [
            ("spam_messages_per_hour", 12, hour.spam_messages),
            ("spam_messages_per_day", 288, day.spam_messages),
            ("spam_percent_per_day", 288, percent),
            ("external_recipients_per_hour", 12, hour.external_recipients),
            ("internal_recipients_per_hour", 12, hour.internal_recipients),
            ("recipients_per_day", 288, day.internal_recipients + day.external_recipients),
        ]
        found = []
        for name, panes, value in observed:
            if name == "spam_percent_per_day":
                over = share is not None and 100.0 * day.spam_messages > share * day.messages
            else:
                limit = self.policy.limits.get(name)
                over = limit is not None and value > limit
            if over:
                found.append((name, panes, float(value)))
        return found

    def decide(self, sender: Sender, record: MessageVerdict, position: Position) -> list[RestrictionEvent]:
        now, policy = self.stream_time, self.policy
        hour, day = sender.window(now // PANE, 12), sender.window(now // PANE, 288)
        before = sum(at >= now - 30 * DAY for at in sender.blocked_at)

        def evidence(name: str, panes: int, value: float) -> Evidence:
            limit, end = policy.limits[name], (now // PANE + 1) * PANE
            assert limit is not None
            trigger = Trigger(record.event_id, record.message_id, record.client_ip, record.verdict.name)
            window = (end - panes * PANE, end)
            return Evidence(policy.name, self.policies.version, name, limit, value, *window, hour, day, trigger)

        def alert(cause: Cause, found: tuple[str, int, float]) -> list[RestrictionEvent]:
            told = (now // DAY, found[0] if cause is Cause.LIMIT else "brake")
            if told in sender.alerted:
                return []
            sender.alerted.add(told)
            who = (record.tenant_id, record.sender, cause, now, policy.action.value, before, position)
            return [SenderAlerted(*who, evidence(*found))]

        found = self.exceeded(hour, day)
        if not found:
            return []
        if policy.action is Action.ALERT:
            return [event for each in found for event in alert(Cause.LIMIT, each)]
        recent = sum(pane >= now // PANE - 1 for pane in self.brake)
        self.brake.append(now // PANE)
        if recent >= self.policies.brake_blocks:
            events = alert(Cause.BRAKE, found[0])
            sender.restart(now)
            return events
        until = (now // DAY + 1) * DAY if policy.action is Action.BLOCK_UNTIL_TOMORROW else None
        sender.blocked_at.append(now)
        who = (record.tenant_id, record.sender, Cause.LIMIT, now, until, policy.action.value, before, position)
        sender.block = SenderBlocked(*who, evidence(*found[0]))
        return [sender.block]
