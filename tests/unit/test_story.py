"""A story's timeline is what the block was decided on; its course and its limits are those of the log."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.audit.cells import timeline_of
from processor.audit.findings import Event, Outcome
from processor.audit.judgements import Judgements
from processor.audit.replay import Replay
from processor.audit.story import Course, NoSuchBlock, course_of, held_against, standings_of
from processor.audit.timeline import Timeline
from processor.detection.windows import DAY_PANES, HOUR_PANES, pane_of
from processor.policies.policy import PolicySet
from processor.restrictions.events import Cause, Position, Published, SenderBlocked, WindowCounters
from processor.restrictions.life import Role
from processor.verdicts.batches import Decoder
from processor.verdicts.event import MessageVerdict
from tests.audit_samples import block, event_of
from tests.auditing import Written, work_through
from tests.engines import LATE_CLOCK_MS, PARTITION, SEED, TOPIC, NoOtherWriters, new_engine, payload_of
from tests.histories import Given, Step, histories
from tests.mail_samples import unblocked
from tests.reference import Reference
from tests.verdict_strategies import SENDERS, logs, policy_sets

Panes = dict[int, tuple[int, ...]]


def reference_days(policies: PolicySet, history: Sequence[Step]) -> Iterator[tuple[SenderBlocked, Panes]]:
    """Each block by a limit, with the panes of the sender's day window then, by the plain model."""
    reference, offset = Reference(TOPIC, PARTITION, policies), 0
    for step in history:
        if isinstance(step, MessageVerdict):
            for event in reference.take(offset, step):
                if isinstance(event, SenderBlocked):
                    last = reference.stream_time // 300_000
                    panes = reference.senders[event.sender].panes.items()
                    yield event, {pane: tuple(counts) for pane, counts in panes if last - 288 < pane <= last}
            offset += 1
        elif isinstance(step, Given):
            command = step.aimed_at(reference.senders[step.command.sender].block)
            reference.obey(command, step.role is Role.SUPPORT, step.at_ms, step.position)
        elif isinstance(step, PolicySet):
            reference.policies = step
        else:
            reference.expire(step.now_ms, Position(TOPIC, PARTITION, offset))


def relived(written: Written, ends: Sequence[int], size: int) -> Iterator[Replay]:
    """The replay as it stands when the verdict before each of `ends` has been taken up."""
    replay = Replay(new_engine(PolicySet()), Decoder(NoOtherWriters(), SEED), written.pages, written.sources)
    start = 0
    for end in ends:
        while start < end:
            stop = min(start + size, end)
            offsets, times = np.arange(start, stop), np.array(written.timestamps_ms[start:stop], np.int64)
            replay.take(written.values[start:stop], offsets, times)
            start = stop
        yield replay


@given(policy_sets(), histories(), st.integers(1, 40), st.integers(1, 6), st.integers(1, 40))
def test_the_timeline_of_a_block_is_what_it_was_decided_on(
    policies: PolicySet, history: list[Step], size: int, commit_every: int, other_size: int
) -> None:
    written = work_through(policies, history, size, commit_every)
    days = {blocked.position.offset: panes for blocked, panes in reference_days(policies, history)}
    blocks = [each for each in written.events if isinstance(each, SenderBlocked) and each.cause is Cause.LIMIT]
    assert days.keys() == {each.position.offset for each in blocks}
    ends = [each.position.offset + 1 for each in blocks]
    for each, replay in zip(blocks, relived(written, ends, other_size), strict=True):
        timeline = timeline_of(replay.engine, each.sender)
        assert timeline is not None
        assert each.evidence is not None
        assert timeline.window(HOUR_PANES) == each.evidence.hour
        assert timeline.window(DAY_PANES) == each.evidence.day
        assert {pane: astuple(counters) for pane, counters in timeline.panes.items()} == days[each.position.offset]
        assert each in replay.events


@given(policy_sets(), histories(), st.integers(1, 40))
def test_the_limit_that_was_exceeded_first_is_the_one_that_the_block_names(
    policies: PolicySet, history: list[Step], size: int
) -> None:
    written = work_through(policies, history, size, 2)
    for each in written.events:
        if isinstance(each, SenderBlocked) and each.evidence is not None:
            evidence = each.evidence
            policy = written.versions[evidence.policy_version].named(evidence.policy)
            standings = standings_of(policy, evidence.policy_version, evidence.hour, evidence.day)
            first = standings.first_exceeded
            assert first is not None
            assert (first.limit.name, first.observed, first.bound) == (
                evidence.limit_name,
                evidence.observed,
                evidence.limit,
            )
            timeline = Timeline(pane_of(evidence.window_end_ms) - 1, {})
            assert timeline.start_ms(first.panes) == evidence.window_start_ms


@given(st.dictionaries(st.integers(-300, 0), st.tuples(*[st.integers(0, 9)] * 4), max_size=20))
def test_pieces_of_a_window_add_up_to_it(panes: dict[int, tuple[int, int, int, int]]) -> None:
    timeline = Timeline(0, {pane: WindowCounters(*counts) for pane, counts in panes.items()})
    for whole, each in ((DAY_PANES, HOUR_PANES), (DAY_PANES, 1), (HOUR_PANES, 1)):
        pieces = timeline.series(whole, each)
        assert len(pieces) == whole // each
        assert sum(piece.messages for piece in pieces) == timeline.window(whole).messages
        assert pieces[-1] == timeline.window(each)


def test_before_the_first_verdict_there_is_no_timeline() -> None:
    assert timeline_of(new_engine(PolicySet()), "ann@a.test") is None


@given(logs(), st.sampled_from(SENDERS), st.integers(1, 40), st.sets(st.integers(0, 120)))
def test_a_sender_s_judgements_are_counted_whatever_the_batches(
    log: list[MessageVerdict], sender: str, size: int, rejected: set[int]
) -> None:
    judgements, decoder = Judgements(sender, SEED), Decoder(NoOtherWriters(), SEED)
    for start in range(0, len(log), size):
        values = [payload_of(verdict) for verdict in log[start : start + size]]
        offsets = np.arange(start, start + len(values), dtype=np.int64)
        batch = decoder.batch(values, offsets, np.full(len(values), LATE_CLOCK_MS))
        judgements.take(batch, np.array(sorted(rejected), np.int64))
    expected = Counter(
        each.verdict.name for offset, each in enumerate(log) if each.sender == sender and offset not in rejected
    )
    assert judgements.counts == expected


def published(*events: Published) -> list[dict[str, list[Event]]]:
    by_id: dict[str, list[Event]] = {}
    for event in map(event_of, events):
        by_id.setdefault(event.event_id, []).append(event)
    return [by_id]


def course(*events: Published, of: SenderBlocked) -> Course:
    return course_of(published(*events), of.block_id)


def ended(which: SenderBlocked) -> Published:
    return unblocked(which, unblocked_at_ms=which.blocked_at_ms + 60_000)


def test_the_course_is_the_sender_s_own_in_the_log_s_order() -> None:
    first, second, later = block(0), block(20_000), block(40_000)
    other = block(21_000, "bob@school.example")
    found = course(first, ended(first), second, other, ended(second), later, of=second)
    assert found.block == event_of(second)
    assert found.before == (event_of(first), event_of(ended(first)))
    assert found.after == (event_of(ended(second)), event_of(later))
    assert event_of(other) not in found.before + found.after
    assert found.end == event_of(ended(second))
    assert course(first, ended(first), second, of=second).end is None


def test_what_is_older_than_30_days_is_left_out() -> None:
    old = block(0)
    recent = replace(block(1), blocked_at_ms=old.blocked_at_ms + 30 * 86_400_000 + 1)
    assert course(old, recent, of=recent).before == ()


def test_an_id_that_is_no_block_s_is_told_for_what_it_is() -> None:
    known = block(0)
    with pytest.raises(NoSuchBlock, match="there is no block"):
        course_of(published(known), block(1).block_id)
    with pytest.raises(NoSuchBlock, match="is the id of a SenderUnblocked"):
        course_of(published(ended(known)), ended(known).event_id)
    with pytest.raises(NoSuchBlock, match="only that it was lifted is still there"):
        course_of(published(ended(known)), known.block_id)


def test_a_block_is_held_against_what_follows_from_the_log() -> None:
    true = block(0)
    changed = replace(true, previous_blocks=9)
    assert held_against(course(true, of=true), event_of(true)) == ()
    (finding,) = held_against(course(changed, of=true), event_of(true))
    assert finding.outcome is Outcome.DIFFERENT
    assert [each.field for each in finding.differences] == ["previous_blocks"]
    for recomputed, copies in ((None, (true,)), (event_of(true), (true, true))):
        (finding,) = held_against(course(*copies, of=true), recomputed)
        assert finding.outcome is Outcome.UNEXPECTED
