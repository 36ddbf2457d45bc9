"""What was published against what follows from the log: matched, different, missing, unexpected, not yet processed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from processor.restrictions.events import Position


class Outcome(StrEnum):
    """How an event fares."""

    MATCHED = "MATCHED"
    DIFFERENT = "DIFFERENT"
    MISSING = "MISSING"
    UNEXPECTED = "UNEXPECTED"
    NOT_YET_PROCESSED = "NOT_YET_PROCESSED"


HOUR_MS = 3_600_000
_TIMES = {
    "SenderBlocked": "blocked_at",
    "SenderUnblocked": "unblocked_at",
    "SenderAlerted": "alerted_at",
    "CommandRefused": "refused_at",
}


class Kind(NamedTuple):
    """What events are counted by: the hour they fell in, their name, and the limit that was passed, if it is one that tells."""

    hour_ms: int
    name: str
    limit_name: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """An event as a record of `sender-restrictions`, with its id and type."""

    event_id: str
    name: str
    record: Mapping[str, Any]

    @property
    def position(self) -> Position:
        return Position(**self.record["position"])

    @property
    def at_ms(self) -> int:
        """When it happened, epoch milliseconds; 0 for an event of a kind that this version does not know."""
        at_ms: int = self.record.get(_TIMES.get(self.name, ""), 0)
        return at_ms

    @property
    def kind(self) -> Kind:
        return Kind(self.at_ms // HOUR_MS * HOUR_MS, self.name, self.record.get("limit_name"))


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not what follows from the log; nested ones by a path such as `hour.messages`."""

    field: str
    published: Any
    recomputed: Any


@dataclass(frozen=True, slots=True)
class Finding:
    """An event that did not match. `published` or `recomputed` is None where there is none."""

    outcome: Outcome
    published: Event | None
    recomputed: Event | None
    differences: tuple[Difference, ...] = ()

    @property
    def event(self) -> Event:
        """What there is of it; where both are there, what was published."""
        event = self.published or self.recomputed
        assert event is not None  # noqa: S101 - a finding is made of one of them
        return event


@dataclass(frozen=True, slots=True)
class Scope:
    """Which of the published events of a partition an audit speaks of.

    Verdicts from `first_offset` to `next_offset` (exclusive), and of each command topic the records from its first to its next.
    What lies before was decided before the audit begins; what lies beyond is not yet processed. What is in none of these topics, or
    beyond their ends when they were pinned (`ends`), has no cause at all.
    """

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    commands: Mapping[str, tuple[int, int]]
    expired_before: bool = False
    """Whether restrictions were lifted by the clock before the first verdict of the range, and before the audit begins."""
    ends: Mapping[str, int] = field(default_factory=dict)

    def is_before(self, event: Event) -> bool:
        """Whether an event that bears the range's first offset was published before the audit begins."""
        at_start = event.position.topic == self.topic and event.position.offset == self.first_offset
        return self.expired_before and at_start and event.record.get("reason") == "EXPIRED"

    def place_of(self, position: Position) -> Outcome | None:
        """UNEXPECTED for a position within the range or nowhere, NOT_YET_PROCESSED for one beyond it, None for none of this audit's."""
        if position.partition != self.partition:
            return None
        if position.topic == self.topic:
            first, following = self.first_offset, self.next_offset
        elif position.topic in self.commands:
            first, following = self.commands[position.topic]
        else:
            return Outcome.UNEXPECTED
        if 0 <= position.offset < first:
            return None
        # By the clock a block ends before a verdict that need not be there yet.
        end = self.ends.get(position.topic)
        if end is not None and position.offset >= end + (position.topic == self.topic):
            return Outcome.UNEXPECTED
        return Outcome.UNEXPECTED if position.offset < following else Outcome.NOT_YET_PROCESSED


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of comparing one partition. `matched_by` is what matched by its kind, which a picture is drawn from."""

    matched: int
    not_yet_processed: int
    findings: tuple[Finding, ...]
    matched_by: Mapping[Kind, int] = field(default_factory=dict, compare=False)


def compare(published: Mapping[str, list[Event]], recomputed: list[Event], scope: Scope) -> Comparison:
    """Hold what was published, by event id, against what follows from the log, in its order."""
    matched_by: Counter[Kind] = Counter()
    findings: list[Finding] = []
    for event in recomputed:
        # A command that is given twice is refused twice under one id.
        copies = published.get(event.event_id, [])
        if not copies:
            findings.append(Finding(Outcome.MISSING, None, event))
            continue
        found = [tuple(differences(copy, event)) for copy in copies]
        if () in found:
            matched_by[event.kind] += 1
        else:
            findings.append(Finding(Outcome.DIFFERENT, copies[0], event, found[0]))
    counts = _counts(recomputed)
    later = 0
    for event_id, copies in published.items():
        for copy in copies[counts.get(event_id, 0) :]:
            place = None if scope.is_before(copy) else scope.place_of(copy.position)
            if place is Outcome.UNEXPECTED:
                findings.append(Finding(place, copy, None))
            elif place is Outcome.NOT_YET_PROCESSED:
                later += 1
    return Comparison(matched_by.total(), later, tuple(sorted(findings, key=_order)), dict(matched_by))


def all_unexpected(published: Mapping[str, list[Event]]) -> Comparison:
    """Events of a partition that the verdicts do not have."""
    findings = (Finding(Outcome.UNEXPECTED, copy, None) for copies in published.values() for copy in copies)
    return Comparison(0, 0, tuple(sorted(findings, key=_order)))


def _counts(events: list[Event]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for event in events:
        counts[event.event_id] = counts.get(event.event_id, 0) + 1
    return counts


def _order(finding: Finding) -> tuple[str, int, str, str]:
    position = finding.event.position
    return (position.topic, position.offset, finding.event.event_id, finding.outcome)


_WORDS = frozenset({"message"})
"""What is said to people may be said better by a later version."""


def differences(published: Event, recomputed: Event) -> Iterator[Difference]:
    """Field by field."""
    if published.name != recomputed.name:
        yield Difference("type", published.name, recomputed.name)
        return
    skipped = _WORDS if published.name == "CommandRefused" else frozenset[str]()
    yield from _differences(published.record, recomputed.record, "", skipped)


def _differences(
    published: Mapping[str, Any], recomputed: Mapping[str, Any], path: str, skipped: frozenset[str]
) -> Iterator[Difference]:
    for name in sorted({*published, *recomputed} - skipped):
        ours, theirs = recomputed.get(name), published.get(name)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            yield from _differences(theirs, ours, f"{path}{name}.", frozenset())
        elif ours != theirs:
            yield Difference(f"{path}{name}", theirs, ours)
