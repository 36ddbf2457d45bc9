"""Policies tried on what a worker went through: its own decide as it did, others as if they had come into force there."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processor.audit.replay import Replay
from processor.audit.retrial import Retrial
from processor.audit.what_if import Outcome, WhatIf, outcomes_together, totals_together
from processor.detection.inputs import ClockInput
from processor.policies.policy import PolicySet
from processor.restrictions.commands import CommandKind
from processor.restrictions.events import Published
from processor.verdicts.batches import Decoder
from processor.verdicts.event import MessageVerdict
from tests.auditing import Written, work_through
from tests.engines import PARTITION, SEED, NoOtherWriters, new_engine
from tests.histories import Clock, Given, Step, by_engine, histories, without_messages
from tests.verdict_strategies import policy_sets

sizes = st.integers(1, 40)


def retried(
    written: Written, first: int, size: int, sets: Sequence[PolicySet], *, with_history: bool
) -> tuple[list[Published], WhatIf]:
    """What was published before the verdict `first`, and what is tried from there on."""
    replay = Replay(new_engine(PolicySet()), Decoder(NoOtherWriters(), SEED), written.pages, written.sources)

    def take(start: int, end: int) -> None:
        offsets, times = np.arange(start, end, dtype=np.int64), np.array(written.timestamps_ms[start:end], np.int64)
        replay.take(written.values[start:end], offsets, times)

    for start in range(0, first, size):
        take(start, min(start + size, first))
    before = list(replay.events)
    retrial = Retrial(replay.engine, sets, seed=SEED, partitions=1, with_history=with_history)
    replay.hand_over(retrial)
    for start in range(first, len(written.values), size):
        take(start, min(start + size, len(written.values)))
    replay.finish(written.commit, len(written.values))
    assert replay.faults == []
    return before, retrial.what_if


@given(policy_sets(), histories(), sizes, st.integers(1, 6), sizes, st.data())
def test_the_history_is_exactly_what_was_published_whatever_the_batches(
    policies: PolicySet, history: list[Step], size: int, commit_every: int, other_size: int, data: st.DataObject
) -> None:
    written = work_through(policies, history, size, commit_every)
    first = data.draw(st.integers(0, len(written.values)))
    before, what_if = retried(written, first, other_size, [PolicySet()], with_history=True)
    assert [*before, *what_if.outcomes[-1].events] == written.events
    assert what_if.totals.records == len(written.values) - first


@given(policy_sets(), policy_sets(), histories(), sizes, sizes, st.data())
def test_other_policies_decide_as_if_they_had_been_published_there(
    policies: PolicySet, others: PolicySet, history: list[Step], size: int, other_size: int, data: st.DataObject
) -> None:
    written = work_through(policies, history, size, 1)
    first = data.draw(st.integers(0, len(written.values)))
    before, what_if = retried(written, first, other_size, [others], with_history=data.draw(st.booleans()))
    other_history = [policies, *with_policies_at(history, first, others, clocks_of(written))]
    events = by_engine(new_engine(PolicySet()), other_history, size)
    assert without_messages([*before, *what_if.outcomes[0].events]) == events


def clocks_of(written: Written) -> set[tuple[int, int]]:
    """Before which verdict the clock was looked at, and what it said: the journal has it where something was over by then."""
    inputs = [each for page in written.pages for each in page.inputs]
    return {(each.before_offset, each.clock_ms) for each in inputs if isinstance(each, ClockInput)}


def with_policies_at(history: list[Step], first: int, policies: PolicySet, clocks: set[tuple[int, int]]) -> list[Step]:
    """The history with these policies from the verdict `first` on, where every unblock lifts what there is."""
    steps: list[Step] = [] if first else [policies]
    verdicts = 0
    for step in history:
        if isinstance(step, Clock) and (verdicts, step.now_ms) not in clocks:
            continue
        if verdicts < first:
            steps.append(step)
        elif isinstance(step, Given):
            unblocks = step.command.kind is CommandKind.UNBLOCK
            aimless = replace(step, command=replace(step.command, block_id=None), current_block=False)
            steps.append(aimless if unblocks else step)
        elif not isinstance(step, PolicySet):
            steps.append(step)
        if isinstance(step, MessageVerdict):
            verdicts += 1
            if verdicts == first:
                steps.append(policies)
    return steps


@given(policy_sets(), histories(), st.data())
def test_partitions_together_keep_the_order_of_each(
    policies: PolicySet, history: list[Step], data: st.DataObject
) -> None:
    written = work_through(policies, history, 7, 1)
    first = data.draw(st.integers(0, len(written.values)))
    parts = [retried(written, at, 9, [], with_history=True)[1] for at in (0, first)]
    (one,), (other,) = (part.outcomes for part in parts)
    # As if the second one were another partition, with events of its own.
    moved = replace(other, events=tuple(renamed(event) for event in other.events), blocks=())
    together = outcomes_together([one, moved])
    assert [event for event in together.events if event.position.partition == PARTITION] == list(one.events)
    assert [event for event in together.events if event.position.partition != PARTITION] == list(moved.events)
    assert together.blocks == one.blocks
    totals = totals_together([part.totals for part in parts])
    assert totals.records == 2 * len(written.values) - first
    assert totals.late == sum(part.totals.late for part in parts)


def test_of_what_was_in_force_the_newest_version_is_named() -> None:
    parts = [Outcome(replace(PolicySet(), version=version), (), ()) for version in ("built-in", "10", "9")]
    assert outcomes_together(parts).policies.version == "10"
    assert outcomes_together(parts[:1]).policies.version == "built-in"


def renamed(event: Published) -> Published:
    return replace(event, position=replace(event.position, partition=PARTITION + 1))
