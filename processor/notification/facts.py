"""What a mail tells of one account, ready to be shown: texts are sanitised here, numbers and times stay as they are."""

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from processor.notification.notices import Account
from processor.notification.sanitise import header_text, readable, unlinked
from processor.restrictions.events import (
    Evidence,
    RestrictionEvent,
    SenderAlerted,
    SenderBlocked,
    SenderUnblocked,
    UnblockReason,
)

NAME_MAX = 254
SHORT_NAME_MAX = 80
TEXT_MAX = 200

AccountEvents = Sequence[tuple[Account, RestrictionEvent]]
"""The entries of one account in one mail, in their order."""


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """Which limit of which policy was exceeded, by what, and the message that tipped it."""

    name: str
    policy: str
    policy_version: str
    limit: float
    observed: float
    window_start_ms: int
    window_end_ms: int
    message_id: str | None
    client_ip: str | None
    verdict: str


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """One account of a mail. What does not apply to the mail's kind is None.

    `short_name` is fit for a header and a sentence: the full one must not push everything else off the first screen.
    `exceeded` is the limit that was passed, `also_exceeded` what further alerts of the account tell. `unblocks_left` of
    `unblocks_allowed` may an admin still lift himself within the 30 days. `command` lifts the block on a command line;
    None where the name cannot be typed there. `overtaken`: the block has ended again meanwhile, or the account is blocked
    again. `earlier_ms`: when the same happened to the account before, within the time of this mail.
    """

    name: str
    short_name: str
    since_ms: int
    until_ms: int | None
    exceeded: LimitFacts | None
    also_exceeded: tuple[LimitFacts, ...]
    previous_blocks: int | None
    unblocks_left: int
    unblocks_allowed: int
    command: str | None
    expired: bool
    by: str | None
    reason: str | None
    ticket: str | None
    overtaken: bool
    earlier_ms: tuple[int, ...]


def by_account(entries: AccountEvents) -> list[AccountEvents]:
    """The entries of each account, in the order in which the accounts first occur."""
    accounts: dict[str, list[tuple[Account, RestrictionEvent]]] = {}
    for account, event in entries:
        accounts.setdefault(event.sender, []).append((account, event))
    return list(accounts.values())


def facts_of(entries: AccountEvents, overtaken: Collection[str] = ()) -> AccountFacts:
    """The facts of one account for a reader; `overtaken` holds ids of events.

    Of an account that was blocked twice within the time of one mail, the block in force counts; the earlier one is told
    as such. An alert takes nothing back, so all alerts of an account count.
    """
    account, event = entries[-1]
    alerts = [alert for _, alert in entries if isinstance(alert, SenderAlerted)]
    if alerts:
        event = alerts[0]
    evidence = None if isinstance(event, SenderUnblocked) else event.evidence
    allowed = account.unblocks_without_support
    return AccountFacts(
        name=account_name(event.sender),
        short_name=header_text(account_name(event.sender, SHORT_NAME_MAX), SHORT_NAME_MAX),
        since_ms=event.occurred_at_ms,
        until_ms=event.blocked_until_ms if isinstance(event, SenderBlocked) else None,
        exceeded=_limit_facts(evidence) if evidence is not None else None,
        also_exceeded=tuple(_limit_facts(alert.evidence) for alert in islice(alerts, 1, None)),
        previous_blocks=None if isinstance(event, SenderUnblocked) else event.previous_blocks,
        unblocks_left=max(0, allowed - (event.previous_unblocks if isinstance(event, SenderBlocked) else 0)),
        unblocks_allowed=allowed,
        command=unblock_command(event.sender),
        expired=isinstance(event, SenderUnblocked) and event.reason is UnblockReason.EXPIRED,
        by=_shown(_who(event)),
        reason=_shown(_why(event)),
        ticket=_shown(event.ticket) if isinstance(event, SenderUnblocked) else None,
        overtaken=event.event_id in overtaken,
        earlier_ms=() if alerts else tuple(earlier.occurred_at_ms for _, earlier in entries[:-1]),
    )


def account_name(sender: str, longest: int = NAME_MAX) -> str:
    """An account's name for a reader. One with spaces in it stands in quotes: it must not read as a part of our sentence."""
    name = _plain(sender, longest)
    return f"“{_plain(sender, longest - 2)}”" if " " in name else name


def _limit_facts(evidence: Evidence) -> LimitFacts:
    return LimitFacts(
        name=_plain(evidence.limit_name, 60),
        policy=_plain(evidence.policy, 60),
        policy_version=_plain(evidence.policy_version, 20),
        limit=evidence.limit,
        observed=evidence.observed,
        window_start_ms=evidence.window_start_ms,
        window_end_ms=evidence.window_end_ms,
        message_id=_shown(evidence.trigger.message_id),
        client_ip=_shown(evidence.trigger.client_ip),
        verdict=_plain(evidence.trigger.verdict, 40),
    )


def _who(event: RestrictionEvent) -> str | None:
    if isinstance(event, SenderAlerted):
        return None
    return event.issued_by if isinstance(event, SenderBlocked) else event.released_by


def _why(event: RestrictionEvent) -> str | None:
    if isinstance(event, SenderAlerted):
        return None
    return event.reason if isinstance(event, SenderBlocked) else event.comment


def _shown(text: str | None) -> str | None:
    return _plain(text, TEXT_MAX) if text else None


def _plain(text: str, longest: int = NAME_MAX) -> str:
    return unlinked(readable(text, longest), longest)


def unblock_command(sender: str) -> str | None:
    """The command that lifts the block, quoted for a shell: the name is an attacker's, and readers copy what they see."""
    if _plain(sender) != sender or sender.startswith("-"):
        return None
    return f"senderwatch restricted unblock {shlex.quote(sender)} --comment '...'"
