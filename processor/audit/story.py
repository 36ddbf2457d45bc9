"""The story of one block: what was known before, how the sender stood against every limit, what tipped it, and what followed.

Everything here is what the log says. Where the log is no longer there, the block's own evidence speaks alone, and the story says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from heapq import merge
from typing import Any

from processor.audit.findings import Event, Finding, Outcome, Scope, compare
from processor.audit.replay import Fault, LogFault
from processor.audit.timeline import Timeline
from processor.detection.windows import DAY_PANES, HOUR_PANES
from processor.policies.limits import LIMITS, MESSAGES, Limit
from processor.policies.policy import Policy
from processor.restrictions.events import WindowCounters
from processor.restrictions.life import HISTORY_MS


class NoSuchBlock(Exception):
    """No block with this id; the text says what there is in its place."""


@dataclass(frozen=True, slots=True)
class Course:
    """The events about one sender around a block, in the log's order. `copies` are the records that bear the block's id: one."""

    copies: tuple[Event, ...]
    before: tuple[Event, ...]
    after: tuple[Event, ...]

    @property
    def block(self) -> Event:
        return self.copies[0]

    @property
    def end(self) -> Event | None:
        """How this block ended; None: it had not."""
        ends = (each for each in self.after if each.name == "SenderUnblocked")
        return next((each for each in ends if each.record["block_id"] == self.block.event_id), None)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a sender stood against one limit. `applies` is false for a percentage of too few messages."""

    limit: Limit
    observed: float
    bound: float
    applies: bool
    exceeded: bool

    @property
    def panes(self) -> int:
        """How long the limit's window is."""
        return panes_of(self.limit)


@dataclass(frozen=True, slots=True)
class Standings:
    """Every limit of the policy that applied, in the order in which they are checked."""

    policy: str
    version: str
    each: tuple[Standing, ...]

    @property
    def first_exceeded(self) -> Standing | None:
        return next((standing for standing in self.each if standing.exceeded), None)


@dataclass(frozen=True, slots=True)
class Relived:
    """What came of living the partition through again, up to the moment of the block.

    `records` verdicts were decided on again, after commit `from_commit` (0: from the beginning). `tipping` is the verdict that tipped
    the limit, whole; None for a block by hand, or where it cannot be read.
    """

    from_commit: int
    records: int
    recomputed: Event | None
    timeline: Timeline | None
    tipping: Mapping[str, Any] | None
    faults: tuple[LogFault, ...]


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What the sender's verdicts were while the block lasted: between two offsets, the second one exclusive.

    `is_whole`: retention had taken none of them. `lasts`: the block had not ended by the last verdict that was decided on.
    """

    first_offset: int
    next_offset: int
    verdicts: Mapping[str, int]
    is_whole: bool
    lasts: bool


@dataclass(frozen=True, slots=True)
class Story:
    """All of it. `relived` None: it could not be recomputed, and `why_not` says why."""

    course: Course
    findings: tuple[Finding, ...]
    standings: Standings | None
    relived: Relived | None
    aftermath: Aftermath | None
    why_not: str | None = None

    @property
    def outcome(self) -> Outcome | None:
        """Whether what was published follows from the log; None: that could not be recomputed."""
        if self.findings:
            return self.findings[0].outcome
        return None if self.why_not is not None else Outcome.MATCHED

    @property
    def faults(self) -> tuple[LogFault, ...]:
        return () if self.relived is None else self.relived.faults

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong with what could be recomputed."""
        return not self.findings and all(fault.fault is Fault.RETENTION_GAP for fault in self.faults)


def course_of(published: Iterable[Mapping[str, list[Event]]], block_id: str) -> Course:
    """The events around a block, of all that were published, each partition's by event id. Raises NoSuchBlock."""
    everything = list(published)
    copies = [event for events in everything for event in events.get(block_id, ())]
    blocks = [event for event in copies if event.name == "SenderBlocked"]
    if not blocks:
        raise NoSuchBlock(_other(copies, everything, block_id))
    block, sender = blocks[0], blocks[0].record["sender"]
    by_tenant: dict[str, list[Event]] = {}
    for events in everything:
        for event in (each for several in events.values() for each in several):
            if event.record["sender"] == sender:
                by_tenant.setdefault(event.record["tenant_id"], []).append(event)
    # A tenant's events are in the log's order. By time alone a command, whose time is Kafka's, could overtake a block.
    about = list(merge(*by_tenant.values(), key=lambda event: event.at_ms))
    place = next(number for number, event in enumerate(about) if event is block)
    since_ms = block.at_ms - HISTORY_MS
    return Course(
        copies=tuple(blocks),
        before=tuple(event for event in about[:place] if event.at_ms >= since_ms and event not in blocks),
        after=tuple(event for event in about[place + 1 :] if event not in blocks),
    )


def _other(copies: list[Event], everything: list[Mapping[str, list[Event]]], block_id: str) -> str:
    if copies:
        return f"{block_id} is the id of a {copies[0].name}, not of a block"
    told = (event for events in everything for several in events.values() for event in several)
    if any(event.record.get("block_id") == block_id for event in told):
        return f"retention has taken the block {block_id}: only that it was lifted is still there"
    return f"there is no block {block_id} in the log of events: the id is wrong, or retention has taken it"


def panes_of(limit: Limit) -> int:
    """The length of a limit's window."""
    return HOUR_PANES if limit.window == "hour" else DAY_PANES


def standings_of(policy: Policy, version: str, hour: WindowCounters, day: WindowCounters) -> Standings:
    """How a sender with these counters stands against a policy."""
    return Standings(policy.name, version, tuple(_standings(policy, hour, day)))


def _standings(policy: Policy, hour: WindowCounters, day: WindowCounters) -> Iterable[Standing]:
    for limit in LIMITS:
        bound = policy.limits.get(limit.name)
        if bound is None:
            continue
        counts = astuple(hour if limit.window == "hour" else day)
        total, messages = sum(counts[limit.first : limit.last + 1]), counts[MESSAGES]
        if limit.percent:
            applies = messages >= policy.spam_percent_min_messages
            observed = 100.0 * total / messages if messages else 0.0
            yield Standing(limit, observed, bound, applies, applies and 100.0 * total > bound * messages)
        else:
            yield Standing(limit, float(total), bound, True, total > bound)


def held_against(course: Course, recomputed: Event | None) -> tuple[Finding, ...]:
    """What was published of the block against what follows from the log: nothing where both are the same."""
    position = course.block.position
    scope = Scope(position.topic, position.partition, position.offset, position.offset + 1, {})
    events = [] if recomputed is None else [recomputed]
    return compare({course.block.event_id: list(course.copies)}, events, scope).findings
