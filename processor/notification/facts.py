"""What a mail tells of one account, ready to be shown: texts are sanitised here, numbers and times stay as they are."""

import shlex
from dataclasses import dataclass

from processor.notification.sanitise import readable
from processor.restrictions.events import (
    Evidence,
    RestrictionEvent,
    SenderAlerted,
    SenderBlocked,
    SenderUnblocked,
    UnblockReason,
)

NAME_MAX = 254
TEXT_MAX = 200


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

    `unblocks_left` is a lower bound: an earlier block may have expired by itself, which costs none. `command` lifts the
    block on a command line; None where the name cannot be typed there. `overtaken`: the block has ended again meanwhile,
    or the account is blocked again.
    """

    name: str
    since_ms: int
    until_ms: int | None
    exceeded: LimitFacts | None
    previous_blocks: int | None
    unblocks_left: int
    command: str | None
    expired: bool
    by: str | None
    reason: str | None
    ticket: str | None
    overtaken: bool


def facts_of(event: RestrictionEvent, unblocks_without_support: int, *, overtaken: bool = False) -> AccountFacts:
    """The facts of `event` for a reader."""
    previous_blocks = None if isinstance(event, SenderUnblocked) else event.previous_blocks
    evidence = None if isinstance(event, SenderUnblocked) else event.evidence
    return AccountFacts(
        name=readable(event.sender, NAME_MAX),
        since_ms=event.occurred_at_ms,
        until_ms=event.blocked_until_ms if isinstance(event, SenderBlocked) else None,
        exceeded=_limit_facts(evidence) if evidence is not None else None,
        previous_blocks=previous_blocks,
        unblocks_left=max(0, unblocks_without_support - (previous_blocks or 0)),
        command=_command(event.sender),
        expired=isinstance(event, SenderUnblocked) and event.reason is UnblockReason.EXPIRED,
        by=_shown(_who(event)),
        reason=_shown(_why(event)),
        ticket=_shown(event.ticket) if isinstance(event, SenderUnblocked) else None,
        overtaken=overtaken,
    )


def _limit_facts(evidence: Evidence) -> LimitFacts:
    return LimitFacts(
        name=readable(evidence.limit_name, 60),
        policy=readable(evidence.policy, 60),
        policy_version=readable(evidence.policy_version, 20),
        limit=evidence.limit,
        observed=evidence.observed,
        window_start_ms=evidence.window_start_ms,
        window_end_ms=evidence.window_end_ms,
        message_id=_shown(evidence.trigger.message_id),
        client_ip=_shown(evidence.trigger.client_ip),
        verdict=readable(evidence.trigger.verdict, 40),
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
    return readable(text, TEXT_MAX) if text else None


def _command(sender: str) -> str | None:
    """The command that lifts the block, quoted for a shell: the name is an attacker's, and readers copy what they see."""
    if readable(sender, NAME_MAX) != sender or sender.startswith("-"):
        return None
    return f"senderwatch restricted unblock {shlex.quote(sender)} --comment '...'"
