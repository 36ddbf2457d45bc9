"""What a partition can live through: verdicts, and between them commands, versions of the policies and a clock; and who lives through it.

A history is a list of steps in the order in which they apply. The engine takes the verdicts between two other steps in batches that
a test cuts as it likes; the reference takes one after the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from hypothesis import strategies as st

from processor.detection.engine import Engine
from processor.policies.policy import PolicySet
from processor.restrictions.commands import Command, CommandKind
from processor.restrictions.events import CommandRefused, Position, Published, SenderBlocked
from processor.restrictions.life import Role
from processor.verdicts.event import MessageVerdict
from tests.engines import PARTITION, TOPIC, feed
from tests.reference import Reference
from tests.verdict_strategies import DAY, HOUR, SENDERS, TENANTS, logs, policy_sets

TOPICS = {Role.ADMIN: "restriction-commands", Role.SUPPORT: "restriction-commands-support"}


@dataclass(frozen=True, slots=True)
class Given:
    """A command in the log. `current_block`: it names the block in force when its turn comes, whichever that is."""

    command: Command
    role: Role
    at_ms: int
    offset: int
    current_block: bool = False

    @property
    def position(self) -> Position:
        return Position(TOPICS[self.role], PARTITION, self.offset)

    def aimed_at(self, block: SenderBlocked | None) -> Command:
        if self.current_block and block is not None and self.command.kind is CommandKind.UNBLOCK:
            return replace(self.command, block_id=block.block_id)
        return self.command


@dataclass(frozen=True, slots=True)
class Clock:
    """The partition stands still, and by the clock it is this late."""

    now_ms: int


Step = MessageVerdict | Given | PolicySet | Clock


@st.composite
def _commands(draw: st.DrawFn, near_ms: int, number: int) -> Given:
    at_ms = max(1, near_ms + draw(st.sampled_from([0, 1, 1000, -HOUR, HOUR, DAY - HOUR])))
    kind = draw(st.sampled_from([CommandKind.UNBLOCK] * 6 + [CommandKind.BLOCK] * 4 + [CommandKind.UNKNOWN]))
    until = at_ms + draw(st.sampled_from([-1, 1, HOUR, DAY, 40 * DAY])) if draw(st.integers(0, 3)) == 0 else None
    command = Command(
        command_id=f"c{number}",
        kind=kind,
        sender=draw(st.sampled_from(SENDERS)),
        tenant_id=draw(st.sampled_from(TENANTS)),
        issued_by=draw(st.sampled_from(["ann", "ann", "ann", ""])),
        block_id=draw(st.sampled_from([None, None, None, "another"])),
        until_ms=until if kind is not CommandKind.UNBLOCK or draw(st.integers(0, 9)) == 0 else None,
        reason=draw(st.sampled_from([None, "password changed"])),
        ticket=draw(st.sampled_from([None, "T-1"])),
    )
    return Given(command, draw(st.sampled_from(Role)), at_ms, number, draw(st.integers(0, 3)) == 0)


@st.composite
def histories(draw: st.DrawFn, max_size: int = 120) -> list[Step]:
    """The steps after the first policies: mostly verdicts."""
    steps: list[Step] = []
    version, commands = 0, 0
    now_ms = 0
    for verdict in draw(logs(max_size)):
        now_ms = max(now_ms, verdict.occurred_at_ms)
        for kind in draw(st.lists(st.sampled_from(["command", "command", "policies", "clock"]), max_size=2)):
            if draw(st.integers(0, 2)):
                continue
            if kind == "command":
                steps.append(draw(_commands(now_ms, commands)))
                commands += 1
            elif kind == "policies":
                version += 1
                steps.append(replace(draw(policy_sets()), version=str(version)))
            else:
                steps.append(Clock(now_ms + draw(st.sampled_from([0, HOUR, DAY]))))
        steps.append(verdict)
    return steps


def by_reference(policies: PolicySet, history: Sequence[Step]) -> tuple[Reference, list[Published]]:
    """The plain model after the history, and what it published."""
    reference, events, offset = Reference(TOPIC, PARTITION, policies), [], 0
    for step in history:
        if isinstance(step, MessageVerdict):
            events += reference.take(offset, step)
            offset += 1
        elif isinstance(step, Given):
            command = step.aimed_at(reference.senders[step.command.sender].block)
            events.append(reference.obey(command, step.role is Role.SUPPORT, step.at_ms, step.position))
        elif isinstance(step, PolicySet):
            reference.policies = step
        else:
            events += reference.expire(step.now_ms, Position(TOPIC, PARTITION, offset))
    return reference, events


def without_messages(events: Sequence[Published]) -> list[Published]:
    """Refusals without the words for people, which are the engine's own."""
    return [replace(event, message="") if isinstance(event, CommandRefused) else event for event in events]


def stretches(history: Sequence[Step]) -> list[list[Step]]:
    """The history in pieces, each of them consecutive verdicts or one other step."""
    pieces: list[list[Step]] = []
    for are_verdicts, steps in groupby(history, lambda step: isinstance(step, MessageVerdict)):
        several = list(steps)
        pieces += [several] if are_verdicts else [[step] for step in several]
    return pieces


def cut(pieces: Sequence[list[Step]], size: int) -> Iterator[list[Step]]:
    """The pieces, those of verdicts in batches of `size` at most."""
    for piece in pieces:
        for start in range(0, len(piece), size):
            yield piece[start : start + size]


def live(engine: Engine, piece: Sequence[Step], offset: int) -> list[Published]:
    """What the engine publishes when it lives through a piece; `offset` is that of the next verdict."""
    (first, *_) = piece
    if isinstance(first, Given):
        block = next((block for block in engine.restrictions.values() if block.sender == first.command.sender), None)
        return [engine.obey(first.aimed_at(block), first.role, first.at_ms, first.position, offset)]
    if isinstance(first, PolicySet):
        engine.adopt(first)
        return []
    if isinstance(first, Clock):
        return list(engine.expire(first.now_ms, Position(TOPIC, PARTITION, offset)))
    verdicts = [step for step in piece if isinstance(step, MessageVerdict)]
    return list(feed(engine, verdicts, [len(verdicts)], first_offset=offset))


def verdicts_in(piece: Sequence[Step]) -> int:
    """How many of the steps are verdicts."""
    return sum(isinstance(step, MessageVerdict) for step in piece)


def by_engine(engine: Engine, history: Sequence[Step], size: int) -> list[Published]:
    """What the engine publishes over the history, with batches of `size` verdicts at most."""
    events: list[Published] = []
    offset = 0
    for piece in cut(stretches(history), size):
        events += live(engine, piece, offset)
        offset += verdicts_in(piece)
    return without_messages(events)
