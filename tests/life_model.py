"""The plain model of what a command does (design, sections 2 and 6): a list of refusals, in order, and else what is asked for."""

from processor.restrictions.commands import Command
from processor.restrictions.events import (
    Cause,
    CommandRefused,
    Position,
    RefusalReason,
    SenderBlocked,
    SenderUnblocked,
    UnblockReason,
)


def outcome_of(
    command: Command,
    *,
    by_support: bool,
    block: SenderBlocked | None,
    before: tuple[int, int],
    allowed: int,
    at: int,
    position: Position,
) -> SenderBlocked | SenderUnblocked | CommandRefused:
    """`before`: blocks and an admin's unblocks in the 30 days before `at`. A refusal's message is left empty."""
    unblocks, used_up = command.kind.value == "UNBLOCK", before[1] >= allowed
    refusals = [
        ("INVALID", command.kind.value == "UNKNOWN" or not command.issued_by),
        ("INVALID", command.until_ms is not None and (unblocks or command.until_ms <= at)),
        ("INVALID", command.block_id is not None and not unblocks),
        ("ALREADY_RESTRICTED", not unblocks and block is not None),
        ("NOT_RESTRICTED", unblocks and block is None),
        ("OTHER_TENANT", block is not None and block.tenant_id != command.tenant_id),
        ("OTHER_BLOCK", block is not None and command.block_id not in (None, block.block_id)),
        ("SUPPORT_REQUIRED", unblocks and used_up and not by_support),
        ("TICKET_REQUIRED", unblocks and used_up and not command.ticket),
    ]
    for reason, applies in refusals:
        if applies:
            return CommandRefused(
                command.command_id, command.tenant_id, command.sender, RefusalReason[reason], "", at, position
            )
    if block is not None:
        return SenderUnblocked(
            block.block_id,
            block.tenant_id,
            block.sender,
            UnblockReason.RELEASED,
            at,
            position,
            released_by=command.issued_by,
            ticket=command.ticket,
            comment=command.reason,
            command_id=command.command_id,
        )
    return SenderBlocked(
        command.tenant_id,
        command.sender,
        Cause.MANUAL,
        at,
        command.until_ms,
        "block",
        before[0],
        position,
        issued_by=command.issued_by,
        reason=command.reason,
        command_id=command.command_id,
        previous_unblocks=before[1],
    )
