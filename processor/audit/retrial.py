"""Policies tried on what a partition really went through: its verdicts, and between them what its journal says.

A version of the policies that came into force is for those alone who follow the history: what is tried stays in force. Commands
and the clock are for all.
"""

from collections.abc import Sequence
from dataclasses import replace

from processor.audit.what_if import WhatIf
from processor.detection.changes import copy_into
from processor.detection.engine import Engine
from processor.policies.policy import PolicySet
from processor.restrictions.commands import Command, CommandKind
from processor.restrictions.events import Position, Published
from processor.restrictions.life import Role
from processor.verdicts.batches import Batch


class Retrial:
    """Several engines that go on from where one stood, in its place: a processor.audit.replay.Decider."""

    def __init__(
        self, before: Engine, policy_sets: Sequence[PolicySet], *, seed: int, partitions: int, with_history: bool
    ) -> None:
        """Each of the sets comes into force now. `with_history`: one more trial, the last, goes on with what was in force."""
        tried = [_going_on(before, policies, seed, partitions) for policies in policy_sets]
        self._history = _going_on(before, before.policies, seed, partitions) if with_history else None
        engines = tried if self._history is None else [*tried, self._history]
        self.what_if = WhatIf(engines, seed=seed, partitions=partitions)

    def take(self, batch: Batch) -> Sequence[Published]:
        """Count and decide. The events stand in the outcomes; none is returned."""
        self.what_if.take(batch)
        return ()

    def adopt(self, policies: PolicySet) -> None:
        """These policies came into force."""
        if self._history is not None:
            self._history.adopt(policies)

    def expire(self, now_ms: int, position: Position) -> Sequence[Published]:
        """The partition stood still, and the clock passed `now_ms`."""
        self.what_if.apply(lambda engine: engine.expire(now_ms, position))
        return ()

    def obey(self, command: Command, role: Role, at_ms: int, position: Position, before_offset: int) -> Published:
        """What the last of the engines answers."""
        answers: list[Published] = []

        def obeyed(engine: Engine) -> Sequence[Published]:
            given = command if engine is self._history else _aimed_at_any(command)
            answers.append(engine.obey(given, role, at_ms, position, before_offset))
            return answers[-1:]

        self.what_if.apply(obeyed)
        return answers[-1]


def _going_on(before: Engine, policies: PolicySet, seed: int, partitions: int) -> Engine:
    engine = Engine(before.topic, before.partition, partitions, policies, seed)
    copy_into(before, engine)
    return engine


def _aimed_at_any(command: Command) -> Command:
    """The admin had repaired the account: so his unblock lifts the block of a trial too, whose id is another one."""
    return replace(command, block_id=None) if command.kind is CommandKind.UNBLOCK else command
