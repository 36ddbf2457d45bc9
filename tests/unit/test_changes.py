"""Restore commutes: values written down at any commits, with sweeps or without, make an engine that goes on as the first would."""

from hypothesis import given
from hypothesis import strategies as st

from processor.detection.changes import Chunk, Sweep, apply, rebuild, touched
from processor.detection.engine import Engine
from processor.policies.policy import PolicySet
from processor.verdicts.event import MessageVerdict
from tests.engine_state import state_of, totals_are_sums
from tests.engines import feed, new_engine
from tests.verdict_strategies import cuts, logs, policy_sets


@st.composite
def _cut_logs(draw: st.DrawFn) -> tuple[list[MessageVerdict], list[int]]:
    log = draw(logs())
    return log, draw(cuts(len(log)))


def _restored(policies: PolicySet, written: list[Chunk], like: Engine) -> Engine:
    engine = new_engine(policies)
    for chunk in written:
        apply(engine, chunk)
    rebuild(engine, like.stream_time_ms, like.brake)
    return engine


@given(policy_sets(), _cut_logs(), st.booleans())
def test_an_engine_restored_after_any_commit_goes_on_as_if_never_killed(
    policies: PolicySet, cut_log: tuple[list[MessageVerdict], list[int]], twice: bool
) -> None:
    log, ends = cut_log
    whole = new_engine(policies)
    expected = feed(whole, log, [len(log)])
    engine, written, events, start = new_engine(policies), [], [], 0
    for end in ends:
        events += feed(engine, log[start:end], [end - start], first_offset=start)
        written += list(touched(engine))
        engine = _restored(policies, written * (2 if twice else 1), engine)
        totals_are_sums(engine)
        start = end
    assert events == expected
    assert state_of(engine) == state_of(whole)


@given(policy_sets(), _cut_logs(), st.integers(1, 3), st.integers(0, 8))
def test_a_sweep_holds_everything_so_that_the_log_before_it_can_go(
    policies: PolicySet, cut_log: tuple[list[MessageVerdict], list[int]], slice_size: int, begins_at: int
) -> None:
    log, ends = cut_log
    engine, written, start = new_engine(policies), [], 0
    sweep = Sweep()
    for number, end in enumerate(ends):
        feed(engine, log[start:end], [end - start], first_offset=start)
        changes = list(touched(engine))
        if number >= begins_at:
            written += list(sweep.slice(engine, slice_size))
        if sweep.next_sender > 1 or number >= begins_at:
            written += changes
        start = end
    while not sweep.done:
        written += list(sweep.slice(engine, slice_size))
    assert state_of(_restored(policies, written, engine)) == state_of(engine)
