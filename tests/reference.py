"""The plain model of design section 2, which shares no code with the engine but the events. What it says is right."""

from collections import defaultdict
from dataclasses import dataclass, field

from processor.policies.policy import Action, Policy, PolicySet
from processor.restrictions import events as published
from processor.restrictions.commands import Command
from processor.restrictions.events import Cause, Evidence, Position, Published, SenderBlocked, SenderUnblocked
from processor.verdicts.event import MessageVerdict, Verdict
from tests.life_model import outcome_of
from tests.plain_matching import policy_of

PANE, DAY = 300_000, 86_400_000
SPAM = {"SPAM", "HIGH_CONFIDENCE_SPAM", "PHISH", "HIGH_CONFIDENCE_PHISH", "MALWARE"}


@dataclass
class Sender:
    """What is known of a sender: counts by pane, and since when they count."""

    panes: dict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0, 0]))
    counts_from: int = 0
    block: SenderBlocked | None = None
    blocked_at: list[int] = field(default_factory=list)
    unblocked_at: list[int] = field(default_factory=list)
    alerted: set[tuple[int, str]] = field(default_factory=set)

    def window(self, last: int, panes: int) -> published.WindowCounters:
        inside = [counts for pane, counts in self.panes.items() if last - panes < pane <= last]
        return published.WindowCounters(*(sum(column) for column in zip([0, 0, 0, 0], *inside, strict=True)))

    def restart(self, at: int) -> None:
        self.block, self.counts_from = None, at
        self.panes.clear()

    def before(self, at: int) -> tuple[int, int]:
        blocks, unblocks = (sum(t >= at - 30 * DAY for t in times) for times in (self.blocked_at, self.unblocked_at))
        return blocks, unblocks


class Reference:
    """One partition. `take` one record after the other, in offset order; `obey`, `expire` by the clock and new `policies` between."""

    def __init__(self, topic: str, partition: int, policies: PolicySet) -> None:
        self.topic, self.partition, self.policies = topic, partition, policies
        self.senders: dict[str, Sender] = defaultdict(Sender)
        self.stream_time = -1
        self.brake: list[int] = []

    def take(self, offset: int, record: MessageVerdict) -> list[Published]:
        position = Position(self.topic, self.partition, offset)
        now = max(self.stream_time, record.occurred_at_ms)
        events = self.expire(now, position)
        self.stream_time = now
        current, pane = now // PANE, record.occurred_at_ms // PANE
        if pane <= current - 288:
            return events  # late
        sender = self.senders[record.sender]
        if record.occurred_at_ms < sender.counts_from:
            return events
        policy = policy_of(self.policies, record.sender, record.tenant_id)
        spam = record.verdict.name in SPAM or (policy.bulk_is_spam and record.verdict is Verdict.BULK)
        for i, n in enumerate((1, int(spam), record.internal_recipients, record.external_recipients)):
            sender.panes[pane][i] += n
        return events if sender.block else events + self.decide(sender, policy, record, position)

    def expire(self, now: int, position: Position) -> list[Published]:
        due = [s.block for s in self.senders.values() if s.block and (s.block.blocked_until_ms or now + 1) <= now]
        events: list[Published] = []
        for block in sorted(due, key=lambda block: (block.blocked_until_ms or 0, block.sender)):
            until, reason = block.blocked_until_ms or 0, published.UnblockReason.EXPIRED
            self.senders[block.sender].restart(until)
            events.append(SenderUnblocked(block.block_id, block.tenant_id, block.sender, reason, until, position))
        return events

    def obey(self, command: Command, by_support: bool, at: int, position: Position) -> Published:
        sender = self.senders[command.sender]
        allowed = policy_of(self.policies, command.sender, command.tenant_id).unblocks_without_support
        outcome = outcome_of(
            command,
            by_support=by_support,
            at=at,
            position=position,
            block=sender.block,
            before=sender.before(at),
            allowed=allowed,
        )
        if isinstance(outcome, SenderUnblocked):
            sender.unblocked_at += [] if by_support else [at]
            sender.restart(at)
        elif isinstance(outcome, SenderBlocked):
            sender.block = outcome
            sender.blocked_at.append(at)
        return outcome

    def exceeded(
        self, policy: Policy, hour: published.WindowCounters, day: published.WindowCounters
    ) -> list[tuple[str, int, float]]:
        observed = [
            ("spam_messages_per_hour", 12, hour.spam_messages),
            ("spam_messages_per_day", 288, day.spam_messages),
            ("spam_percent_per_day", 288, 100.0 * day.spam_messages / day.messages),
            ("external_recipients_per_hour", 12, hour.external_recipients),
            ("internal_recipients_per_hour", 12, hour.internal_recipients),
            ("recipients_per_day", 288, day.internal_recipients + day.external_recipients),
        ]
        found = []
        for name, panes, value in observed:
            limit = policy.limits.get(name)
            over = limit is not None and value > limit
            if limit is not None and name == "spam_percent_per_day":
                over = 100.0 * day.spam_messages > limit * day.messages
                over = over and day.messages >= policy.spam_percent_min_messages
            found += [(name, panes, float(value))] if over else []
        return found

    def decide(self, sender: Sender, policy: Policy, record: MessageVerdict, position: Position) -> list[Published]:
        now, (before, unblocks_before) = self.stream_time, sender.before(self.stream_time)
        hour, day = sender.window(now // PANE, 12), sender.window(now // PANE, 288)

        def evidence(name: str, panes: int, value: float) -> Evidence:
            limit, end = policy.limits[name], (now // PANE + 1) * PANE
            assert limit is not None
            trigger = published.Trigger(record.event_id, record.message_id, record.client_ip, record.verdict.name)
            window = (end - panes * PANE, end)
            return Evidence(policy.name, self.policies.version, name, limit, value, *window, hour, day, trigger)

        def alert(cause: Cause, found: tuple[str, int, float]) -> list[Published]:
            told = (now // DAY, found[0] if cause is Cause.LIMIT else "brake")
            if told in sender.alerted:
                return []
            sender.alerted.add(told)
            who = (record.tenant_id, record.sender, cause, now, policy.action.value, before, position)
            return [published.SenderAlerted(*who, evidence(*found))]

        found = self.exceeded(policy, hour, day)
        if not found or policy.action is Action.ALERT:
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
        sender.block = SenderBlocked(*who, evidence(*found[0]), previous_unblocks=unblocks_before)
        return [sender.block]
