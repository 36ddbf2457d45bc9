"""The invariants of the design, section 2, as laws."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processor.policies.policy import PolicySet
from processor.verdicts.event import MessageVerdict
from tests.engine_state import state_of, totals_are_sums
from tests.engines import PARTITION, TOPIC, feed, new_engine
from tests.reference import Reference
from tests.verdict_strategies import cuts, logs, policy_sets


@st.composite
def _cut_logs(draw: st.DrawFn) -> tuple[list[MessageVerdict], list[int]]:
    log = draw(logs())
    return log, draw(cuts(len(log)))


def _reference_state(reference: Reference) -> dict[str, Any]:
    pane = reference.stream_time // 300_000
    return {
        name: cells
        for name, sender in reference.senders.items()
        if (cells := {at: counts for at, counts in sender.panes.items() if at > pane - 288})
    }


@given(policy_sets(), _cut_logs())
def test_the_engine_decides_and_counts_as_the_reference_does(
    policies: PolicySet, cut_log: tuple[list[MessageVerdict], list[int]]
) -> None:
    log, ends = cut_log
    engine = new_engine(policies)
    reference = Reference(TOPIC, PARTITION, policies)
    expected = [event for offset, record in enumerate(log) for event in reference.take(offset, record)]
    assert feed(engine, log, ends) == expected
    known = state_of(engine)["senders"]
    assert {name: each["cells"] for name, each in known.items() if each["cells"]} == _reference_state(reference)
    totals_are_sums(engine)


@given(policy_sets(), _cut_logs())
def test_decisions_and_state_do_not_depend_on_how_the_log_is_cut(
    policies: PolicySet, cut_log: tuple[list[MessageVerdict], list[int]]
) -> None:
    log, ends = cut_log
    whole, cut = new_engine(policies), new_engine(policies)
    assert feed(whole, log, [len(log)]) == feed(cut, log, ends)
    assert state_of(whole) == state_of(cut)
