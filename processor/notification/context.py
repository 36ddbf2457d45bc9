"""What a template may ask for: one value holds all names, so that a template that asks for another is found at the start."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any

from processor.notification.facts import AccountEvents, AccountFacts, by_account, facts_of
from processor.notification.language import Language, Words, zone_of
from processor.notification.notices import Notification
from processor.notification.sanitise import readable, unlinked
from processor.restrictions.events import SenderUnblocked

DETAILED_MAX = 20
"""Accounts with all their facts in one mail; mail programs cut a page off at about 100 kB."""
LIMITS_MAX = 50
"""Limits with all their facts in one mail: an alert tells of each that an account exceeded."""
NAMED_MAX = 480
"""Accounts of which only the name is given, after those with details; the rest is counted."""
SEEN_MAX = 5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all mails of an installation say alike. `support` tells how to reach support; `console_url` None: no console."""

    sender_address: str
    support: str | None = None
    console_url: str | None = None


@dataclass(frozen=True, slots=True)
class MailContext:
    """The names that a template knows. docs/notifications.md explains each."""

    words: Words
    language: str
    tenant: str
    count: int
    accounts: Sequence[AccountFacts]
    named: Sequence[str]
    unnamed: int
    first: AccountFacts
    earliest_ms: int
    events: int
    seen_limits: Sequence[tuple[str, int]]
    seen_verdicts: Sequence[tuple[str, int]]
    probably_compromised: bool
    self_service: bool
    may_lift: bool
    readers_are_staff: bool
    console_url: str | None
    support: str | None
    sender_address: str
    test_notice: str | None

    @classmethod
    def names(cls) -> frozenset[str]:
        return frozenset(each.name for each in fields(cls))

    def as_mapping(self) -> Mapping[str, Any]:
        return {name: getattr(self, name) for name in self.names()}


def context_of(
    notification: Notification,
    entries: AccountEvents,
    surroundings: Surroundings,
    language: Language,
    *,
    is_test: bool,
) -> MailContext:
    """What the mail of `notification` tells; `entries`, at least one, are its accounts with their events."""
    accounts, overtaken = by_account(entries), frozenset(notification.overtaken)
    facts = [facts_of(each, overtaken) for each in accounts[: DETAILED_MAX + NAMED_MAX]]
    detailed = _how_many_detailed(facts)
    proofs = [event.evidence for _, event in entries if not isinstance(event, SenderUnblocked) and event.evidence]
    self_service = bool(surroundings.console_url) or notification.readers_are_staff
    return MailContext(
        words=Words(language, zone_of(notification.time_zone)),
        language=language.code,
        tenant=unlinked(readable(notification.tenant_id, 80), 80),
        count=len(accounts),
        accounts=facts[:detailed],
        named=[fact.name for fact in facts[detailed:]],
        unnamed=max(0, len(accounts) - DETAILED_MAX - NAMED_MAX),
        first=facts[0],
        earliest_ms=min(event.occurred_at_ms for _, event in entries),
        events=len(entries),
        seen_limits=_counted(evidence.limit_name for evidence in proofs),
        seen_verdicts=_counted(evidence.trigger.verdict for evidence in proofs),
        probably_compromised=any(fact.exceeded is not None for fact in facts),
        self_service=self_service,
        may_lift=self_service and any(fact.unblocks_left > 0 for fact in facts),
        readers_are_staff=notification.readers_are_staff,
        console_url=surroundings.console_url,
        support=surroundings.support,
        sender_address=surroundings.sender_address,
        test_notice=language.test_notice if is_test else None,
    )


def _how_many_detailed(facts: Sequence[AccountFacts]) -> int:
    limits = accumulate(1 + len(fact.also_exceeded) for fact in facts[:DETAILED_MAX])
    return max(1, sum(count <= LIMITS_MAX for count in limits))


def _counted(values: Iterable[str]) -> list[tuple[str, int]]:
    """Each value with how often it occurs, the most frequent first; a handful is enough to see what they have in common."""
    return [(unlinked(readable(value, 60), 60), count) for value, count in Counter(values).most_common(SEEN_MAX)]
