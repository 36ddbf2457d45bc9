"""The life of a restriction as a table of states and inputs: every state with every input, and nothing but the outcome changes."""

from dataclasses import replace
from itertools import product

import pytest

from processor.policies.policy import Policy, PolicySet
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
from processor.restrictions.life import HISTORY_MS, TEXT_MAX, Role, Standing, answer
from tests.engine_state import state_of
from tests.engines import new_engine

AT_MS = 1_800_000_000_000
BLOCK = SenderBlocked(
    "t", "ann@a.test", Cause.LIMIT, AT_MS - 5000, None, "block", 0, Position("message-verdicts", 0, 7)
)
FRESH, USED_UP = (AT_MS - HISTORY_MS - 1,) * 5, (AT_MS - HISTORY_MS, AT_MS - 1, AT_MS)
"""Three unblocks that are too old to count; three that do."""

STATES = {
    "active": Standing(),
    "active, used up": Standing(unblocks=USED_UP),
    "blocked": Standing(BLOCK, blocks=(AT_MS - 5000,), unblocks=FRESH),
    "blocked, used up": Standing(BLOCK, blocks=(AT_MS - 5000,), unblocks=USED_UP),
}
UNBLOCK = Command("c", CommandKind.UNBLOCK, "ann@a.test", "t", "ann's admin", reason="repaired")
INPUTS = {
    "unblock": UNBLOCK,
    "unblock with a ticket": replace(UNBLOCK, ticket="T-1"),
    "unblock of this block": replace(UNBLOCK, block_id=BLOCK.block_id, ticket="T-1"),
    "unblock of another block": replace(UNBLOCK, block_id="another"),
    "unblock of another tenant": replace(UNBLOCK, tenant_id="u"),
    "block": replace(UNBLOCK, kind=CommandKind.BLOCK),
    "block until": replace(UNBLOCK, kind=CommandKind.BLOCK, until_ms=AT_MS + 1),
    "block of another tenant": replace(UNBLOCK, kind=CommandKind.BLOCK, tenant_id="u"),
    "unknown kind": replace(UNBLOCK, kind=CommandKind.UNKNOWN),
    "nobody's": replace(UNBLOCK, issued_by=""),
    "unblock until": replace(UNBLOCK, until_ms=AT_MS + 1),
    "block with a block id": replace(UNBLOCK, kind=CommandKind.BLOCK, block_id=BLOCK.block_id),
    "block that is over": replace(UNBLOCK, kind=CommandKind.BLOCK, until_ms=AT_MS),
    "block for ever and a day": replace(UNBLOCK, kind=CommandKind.BLOCK, until_ms=1 << 62),
    "a long reason": replace(UNBLOCK, reason="é" * TEXT_MAX),
}
INVALID = {
    "unknown kind",
    "nobody's",
    "unblock until",
    "block with a block id",
    "block that is over",
    "block for ever and a day",
    "a long reason",
}

ADMINS = {
    ("active", "unblock"): "NOT_RESTRICTED",
    ("active", "unblock with a ticket"): "NOT_RESTRICTED",
    ("active", "unblock of this block"): "NOT_RESTRICTED",
    ("active", "unblock of another block"): "NOT_RESTRICTED",
    ("active", "unblock of another tenant"): "NOT_RESTRICTED",
    ("active", "block"): "blocked",
    ("active", "block until"): "blocked",
    ("active", "block of another tenant"): "blocked",
    ("blocked", "unblock"): "released",
    ("blocked", "unblock with a ticket"): "released",
    ("blocked", "unblock of this block"): "released",
    ("blocked", "unblock of another block"): "OTHER_BLOCK",
    ("blocked", "unblock of another tenant"): "OTHER_TENANT",
    ("blocked", "block"): "ALREADY_RESTRICTED",
    ("blocked", "block until"): "ALREADY_RESTRICTED",
    ("blocked", "block of another tenant"): "ALREADY_RESTRICTED",
    ("blocked, used up", "unblock"): "SUPPORT_REQUIRED",
    ("blocked, used up", "unblock with a ticket"): "SUPPORT_REQUIRED",
    ("blocked, used up", "unblock of this block"): "SUPPORT_REQUIRED",
}
"""What comes of it when an admin commands. What has no line here is INVALID, or as in the state that is not used up."""
SUPPORTS = {
    ("blocked, used up", "unblock"): "TICKET_REQUIRED",
    ("blocked, used up", "unblock with a ticket"): "released",
    ("blocked, used up", "unblock of this block"): "released",
}
"""Where support fares otherwise."""


def expected(role: Role, state: str, given: str) -> str:
    if given in INVALID:
        return "INVALID"
    own = SUPPORTS if role is Role.SUPPORT else {}
    return own.get((state, given)) or ADMINS.get((state, given)) or ADMINS[state.partition(",")[0], given]


@pytest.mark.parametrize(("role", "state", "given"), list(product(Role, STATES, INPUTS)))
def test_every_input_in_every_state_has_its_outcome(role: Role, state: str, given: str) -> None:
    command, position = INPUTS[given], Position("restriction-commands", 0, 3)
    outcome = answer(command, role, STATES[state], 3, AT_MS, position)
    told = expected(role, state, given)
    assert outcome.position == position
    assert outcome.command_id == "c"
    assert (outcome.tenant_id, outcome.sender) == (command.tenant_id, "ann@a.test")
    if told == "blocked":
        assert isinstance(outcome, SenderBlocked)
        assert (outcome.cause, outcome.blocked_at_ms, outcome.blocked_until_ms) == (
            Cause.MANUAL,
            AT_MS,
            command.until_ms,
        )
        assert (outcome.issued_by, outcome.reason) == ("ann's admin", "repaired")
        assert (outcome.previous_blocks, outcome.previous_unblocks) == (0, 3 if "used up" in state else 0)
    elif told == "released":
        assert isinstance(outcome, SenderUnblocked)
        assert (outcome.block_id, outcome.reason) == (BLOCK.block_id, UnblockReason.RELEASED)
        assert outcome.unblocked_at_ms == AT_MS
        assert (outcome.released_by, outcome.comment, outcome.ticket) == ("ann's admin", "repaired", command.ticket)
    else:
        assert isinstance(outcome, CommandRefused)
        assert outcome.reason is RefusalReason[told]
        assert len(outcome.message) > 20, "it says why, and what to do"


@pytest.mark.parametrize("given", sorted(INPUTS))
@pytest.mark.parametrize("role", Role)
def test_a_refused_command_changes_nothing(role: Role, given: str) -> None:
    """The engine's whole state before and after is the same, whether the sender is blocked or was never heard of."""
    policies = PolicySet((Policy(unblocks_without_support=0),))
    for blocked_before in (True, False):
        engine = new_engine(policies)
        if blocked_before:
            first = replace(INPUTS["block"], command_id="first")
            engine.obey(first, Role.ADMIN, AT_MS - 1, Position("restriction-commands", 0, 0), 0)
        before = state_of(engine)
        outcome = engine.obey(INPUTS[given], role, AT_MS, Position("restriction-commands", 0, 1), 0)
        assert isinstance(outcome, CommandRefused) == (state_of(engine) == before)


def test_a_refusal_has_the_same_id_whenever_it_is_replayed() -> None:
    refusals = [answer(UNBLOCK, Role.ADMIN, Standing(), 3, AT_MS, Position("x", 0, offset)) for offset in (1, 1)]
    assert refusals[0].event_id == refusals[1].event_id


def test_a_policy_that_leaves_no_unblock_to_the_organisation_says_so() -> None:
    outcome = answer(UNBLOCK, Role.ADMIN, Standing(BLOCK), 0, AT_MS, Position("x", 0, 1))
    assert isinstance(outcome, CommandRefused)
    assert outcome.reason is RefusalReason.SUPPORT_REQUIRED
    assert "leaves no unblock" in outcome.message
