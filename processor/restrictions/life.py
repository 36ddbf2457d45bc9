"""The life of a restriction: what a command does to a sender, as a table of states and inputs (design, section 6).

| state   | input                               | what comes of it                                        | state then |
|---------|-------------------------------------|---------------------------------------------------------|------------|
| active  | a limit is exceeded                 | SenderBlocked, cause LIMIT (the engine's rules)         | blocked    |
| active  | BLOCK                               | SenderBlocked, cause MANUAL                             | blocked    |
| active  | UNBLOCK                             | refused: NOT_RESTRICTED                                 | active     |
| blocked | UNBLOCK of another tenant           | refused: OTHER_TENANT                                   | blocked    |
| blocked | UNBLOCK that names another block    | refused: OTHER_BLOCK                                    | blocked    |
| blocked | UNBLOCK by an admin, as often as the policy allows in 30 days | SenderUnblocked, RELEASED     | active     |
| blocked | UNBLOCK by an admin after that      | refused: SUPPORT_REQUIRED                               | blocked    |
| blocked | UNBLOCK by support                  | SenderUnblocked, RELEASED                               | active     |
| blocked | the same without a ticket, where an admin would be sent to support | refused: TICKET_REQUIRED | blocked    |
| blocked | BLOCK                               | refused: ALREADY_RESTRICTED                             | blocked    |
| blocked | its time is over                    | SenderUnblocked, EXPIRED (the engine's rules)           | active     |
| any     | a command that lacks something or contradicts itself | refused: INVALID                       | as before  |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from processor.restrictions.commands import Command, CommandKind
from processor.restrictions.events import (
    Cause,
    CommandRefused,
    Position,
    RefusalReason,
    SenderBlocked,
    SenderUnblocked,
    UnblockReason,
)
from processor.verdicts.event import OCCURRED_AT_MAX_MS

HISTORY_MS = 30 * 86_400_000
"""How far back blocks and unblocks count."""
TEXT_MAX = 16 * 1024
"""No reason, ticket or issuer of a command is longer, in bytes: what quotes them has to fit into a Kafka message."""
MANUAL_ACTION = "block"


class Role(StrEnum):
    """Who gives a command: whoever may write to the one topic or to the other."""

    ADMIN = "admin"
    SUPPORT = "support"


@dataclass(frozen=True, slots=True)
class Standing:
    """How things are with a sender. `blocks` and `unblocks` (by an admin): when, epoch milliseconds, for 30 days or more."""

    block: SenderBlocked | None = None
    blocks: Sequence[int] = ()
    unblocks: Sequence[int] = ()


def recent(times_ms: Sequence[int], at_ms: int) -> int:
    """How many of these times fall into the 30 days before `at_ms`."""
    return sum(each >= at_ms - HISTORY_MS for each in times_ms)


def answer(
    command: Command, role: Role, standing: Standing, unblocks_without_support: int, at_ms: int, position: Position
) -> SenderBlocked | SenderUnblocked | CommandRefused:
    """What comes of a command that Kafka appended at `at_ms` at `position`; nothing but its outcome may change.

    `unblocks_without_support` is what the policy that applies to the sender allows.
    """
    refusal = _fault(command, at_ms) or _objection(command, role, standing, unblocks_without_support, at_ms)
    if refusal is not None:
        reason, message = refusal
        return refused(command, at_ms, position, message, reason)
    if standing.block is not None:
        return SenderUnblocked(
            block_id=standing.block.block_id,
            tenant_id=standing.block.tenant_id,
            sender=command.sender,
            reason=UnblockReason.RELEASED,
            unblocked_at_ms=at_ms,
            position=position,
            released_by=command.issued_by,
            ticket=command.ticket,
            comment=command.reason,
            command_id=command.command_id,
        )
    return SenderBlocked(
        tenant_id=command.tenant_id,
        sender=command.sender,
        cause=Cause.MANUAL,
        blocked_at_ms=at_ms,
        blocked_until_ms=command.until_ms,
        action=MANUAL_ACTION,
        previous_blocks=recent(standing.blocks, at_ms),
        previous_unblocks=recent(standing.unblocks, at_ms),
        position=position,
        issued_by=command.issued_by,
        reason=command.reason,
        command_id=command.command_id,
    )


def refused(
    command: Command, at_ms: int, position: Position, message: str, reason: RefusalReason = RefusalReason.INVALID
) -> CommandRefused:
    """The answer to a command that changes nothing; `message` says why, and what to do."""
    return CommandRefused(
        command_id=command.command_id,
        tenant_id=command.tenant_id,
        sender=command.sender,
        reason=reason,
        message=message,
        refused_at_ms=at_ms,
        position=position,
    )


_Refusal = tuple[RefusalReason, str]


def _fault(command: Command, at_ms: int) -> _Refusal | None:
    """What is wrong with a command whatever the sender's state."""
    if command.kind is CommandKind.UNKNOWN:
        return RefusalReason.INVALID, "this senderwatch does not know what the command asks for: run a newer one"
    if not command.issued_by:
        return RefusalReason.INVALID, "the command does not say who gives it: fill in issued_by"
    for name, text in (("issued_by", command.issued_by), ("reason", command.reason), ("ticket", command.ticket)):
        if text is not None and len(text.encode()) > TEXT_MAX:
            return RefusalReason.INVALID, f"{name} is longer than {TEXT_MAX} bytes: say it shorter"
    if command.kind is CommandKind.UNBLOCK and command.until_ms is not None:
        return RefusalReason.INVALID, "an unblock has no end: leave until out, or block the sender instead"
    if command.kind is CommandKind.BLOCK and command.block_id is not None:
        return RefusalReason.INVALID, "a block names no other block: leave block_id out, or unblock the sender instead"
    if command.until_ms is not None and not at_ms < command.until_ms <= OCCURRED_AT_MAX_MS:
        return RefusalReason.INVALID, "the block would have ended before it began: give an end that is still to come"
    return None


def _objection(
    command: Command, role: Role, standing: Standing, unblocks_without_support: int, at_ms: int
) -> _Refusal | None:
    """Why the sender's state does not allow it."""
    block = standing.block
    if command.kind is CommandKind.BLOCK:
        if block is None:
            return None
        return RefusalReason.ALREADY_RESTRICTED, f"the sender is blocked already, by block {block.block_id}"
    if block is None:
        return RefusalReason.NOT_RESTRICTED, "the sender is not blocked: there is nothing to lift"
    if command.tenant_id != block.tenant_id:
        return RefusalReason.OTHER_TENANT, "the blocked sender is not of the tenant that the command names"
    if command.block_id is not None and command.block_id != block.block_id:
        return (
            RefusalReason.OTHER_BLOCK,
            f"another block is in force, {block.block_id}: look at it, and name it or none to lift it",
        )
    if recent(standing.unblocks, at_ms) < unblocks_without_support:
        return None
    if role is Role.ADMIN:
        return RefusalReason.SUPPORT_REQUIRED, _send_to_support(unblocks_without_support)
    if not command.ticket:
        return (
            RefusalReason.TICKET_REQUIRED,
            f"the policy allows {_times(unblocks_without_support)} in 30 days without support, and they are used up: name the ticket",
        )
    return None


def _send_to_support(allowed: int) -> str:
    used = (
        "the policy leaves no unblock of this sender to the organisation itself"
        if allowed == 0
        else f"the organisation has lifted this sender's blocks as often as the policy allows, {_times(allowed)} in 30 days"
    )
    return f"{used}: ask support, tell them that the problem has been dealt with, and they lift it with a ticket"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
