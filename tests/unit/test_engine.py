"""The invariants of the design, section 2, as laws: for any verdicts, commands, policies and clocks between them."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processor.policies.policy import PolicySet
from tests.engine_state import state_of, totals_are_sums
from tests.engines import new_engine
from tests.histories import Step, by_engine, by_reference, histories
from tests.reference import Reference
from tests.verdict_strategies import policy_sets


def _reference_state(reference: Reference) -> dict[str, Any]:
    pane = reference.stream_time // 300_000
    return {
        name: cells
        for name, sender in reference.senders.items()
        if (cells := {at: counts for at, counts in sender.panes.items() if at > pane - 288})
    }


@given(policy_sets(), histories(), st.integers(1, 40))
def test_the_engine_decides_and_counts_as_the_reference_does(
    policies: PolicySet, history: list[Step], size: int
) -> None:
    engine = new_engine(policies)
    reference, expected = by_reference(policies, history)
    assert by_engine(engine, history, size) == expected
    known = state_of(engine)["senders"]
    assert {name: each["cells"] for name, each in known.items() if each["cells"]} == _reference_state(reference)
    restricted = {block.sender: block for block in engine.restrictions.values()}
    assert restricted == {name: sender.block for name, sender in reference.senders.items() if sender.block}
    totals_are_sums(engine)


@given(policy_sets(), histories(), st.integers(1, 40))
def test_decisions_and_state_do_not_depend_on_how_the_log_is_cut(
    policies: PolicySet, history: list[Step], size: int
) -> None:
    whole, cut = new_engine(policies), new_engine(policies)
    assert by_engine(whole, history, len(history)) == by_engine(cut, history, size)
    assert state_of(whole) == state_of(cut)
