"""Restore commutes: values written down at any commits, with sweeps or without, make an engine that goes on as the first would."""

from hypothesis import given
from hypothesis import strategies as st

from processor.detection.changes import Chunk, SenderValues, Sweep, apply, rebuild, touched
from processor.detection.engine import Engine
from processor.kafka.columns import senders_record
from processor.kafka.serde import Serde
from processor.policies.policy import PolicySet
from processor.restrictions.commands import Command, CommandKind
from processor.restrictions.events import Position
from processor.restrictions.life import Role
from tests.engine_state import state_of, totals_are_sums
from tests.engines import new_engine
from tests.histories import Step, by_engine, cut, histories, live, stretches, verdicts_in, without_messages
from tests.verdict_strategies import policy_sets

NOW_MS = 1_800_000_000_000


def _restored(policies: PolicySet, written: list[Chunk], like: Engine) -> Engine:
    engine = new_engine(policies)
    for chunk in written:
        apply(engine, chunk)
    rebuild(engine, like.stream_time_ms, like.brake)
    return engine


@given(policy_sets(), histories(), st.integers(1, 40), st.booleans())
def test_an_engine_restored_after_any_commit_goes_on_as_if_never_killed(
    policies: PolicySet, history: list[Step], size: int, twice: bool
) -> None:
    whole = new_engine(policies)
    expected = by_engine(whole, history, len(history))
    engine, written, events, offset = new_engine(policies), [], [], 0
    for piece in cut(stretches(history), size):
        events += live(engine, piece, offset)
        offset += verdicts_in(piece)
        written += list(touched(engine))
        engine = _restored(engine.policies, written * (2 if twice else 1), engine)
        totals_are_sums(engine)
    assert without_messages(events) == expected
    assert state_of(engine) == state_of(whole)


@given(policy_sets(), histories(), st.integers(1, 40), st.integers(1, 3), st.integers(0, 8))
def test_a_sweep_holds_everything_so_that_the_log_before_it_can_go(
    policies: PolicySet, history: list[Step], size: int, slice_size: int, begins_at: int
) -> None:
    engine, written, offset = new_engine(policies), [], 0
    sweep = Sweep()
    for number, piece in enumerate(cut(stretches(history), size)):
        live(engine, piece, offset)
        offset += verdicts_in(piece)
        changes = list(touched(engine))
        if number >= begins_at:
            written += list(sweep.slice(engine, slice_size))
            written += changes
    while not sweep.done:
        written += list(sweep.slice(engine, slice_size))
    assert state_of(_restored(engine.policies, written, engine)) == state_of(engine)


def test_a_sweep_ends_whoever_comes_meanwhile() -> None:
    """With new senders at every commit it never came to the cells, and the changelog grew for as long as they came."""
    engine, sweep = new_engine(PolicySet()), Sweep()
    for number in range(40):
        engine.obey(
            Command("c", CommandKind.BLOCK, f"{number}@a.test", "t", "spam"),
            Role.SUPPORT,
            NOW_MS,
            Position("c", 0, 0),
            0,
        )
        if number >= 20 and not sweep.done:
            list(sweep.slice(engine, 5))
    assert sweep.done


def test_a_sender_who_is_blocked_and_lifted_for_ever_still_fits_a_message() -> None:
    """A script of support's that has gone wrong: what no message can hold would stop every worker, again and again."""
    engine = new_engine(PolicySet())
    for number in range(24_000):
        kind = CommandKind.UNBLOCK if number % 2 else CommandKind.BLOCK
        command = Command("c", kind, "ann@a.test", "t", "script", ticket="T-1")
        role = Role.ADMIN if number < 6 else Role.SUPPORT
        engine.obey(command, role, NOW_MS + 10 * number, Position("c", 0, number), 0)
    (chunk,) = touched(engine)
    assert isinstance(chunk, SenderValues)
    entry = {"format": 1, "commit": 1, "senders": senders_record(chunk)}
    assert len(Serde(None).encode("", "ChangelogEntry", entry)) < 60_000
