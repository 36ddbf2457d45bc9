"""What-if decides as the engine in earnest would, and counts what a plain count finds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processor.audit.what_if import Outcome, Stopped, TriedBlock, WhatIf
from processor.detection.engine import Engine
from processor.policies.policy import Action, Policy, PolicySet
from processor.restrictions.events import Published, SenderBlocked
from processor.verdicts.batches import Decoder
from processor.verdicts.event import SPAM_VERDICTS, MessageVerdict, Verdict
from tests.engines import LATE_CLOCK_MS, PARTITION, SEED, TOPIC, NoOtherWriters, payload_of
from tests.histories import Step, by_reference, cut, histories, live, stretches, without_messages
from tests.verdict_strategies import DAY, PANE, START_MS, cuts, logs, policy_sets

_logs_with_cuts = logs().flatmap(lambda log: st.tuples(st.just(log), cuts(len(log))))


def tried(policy_sets: Sequence[PolicySet], log: Sequence[MessageVerdict], ends: Sequence[int]) -> WhatIf:
    """The log taken up under each of the sets, in batches that end at `ends`."""
    what_if = WhatIf.from_the_beginning(policy_sets, topic=TOPIC, seed=SEED, partition=PARTITION)
    decoder = Decoder(NoOtherWriters(), SEED)
    payloads = [payload_of(verdict) for verdict in log]
    start = 0
    for end in ends:
        offsets = np.arange(start, end, dtype=np.int64)
        what_if.take(decoder.batch(payloads[start:end], offsets, np.full(end - start, LATE_CLOCK_MS, np.int64)))
        start = end
    return what_if


def outcome_of(policies: PolicySet, log: Sequence[MessageVerdict]) -> Outcome:
    (outcome,) = tried([policies], log, [len(log)]).outcomes
    return outcome


def plainly_stopped(policies: PolicySet, log: Sequence[MessageVerdict], block: SenderBlocked) -> Stopped:
    """What the sender sent while the block lasted, record by record."""
    until_ms = block.blocked_until_ms or 1 << 62
    while_blocked = [
        verdict.verdict
        for offset, verdict in enumerate(log)
        if offset > block.position.offset
        and verdict.sender == block.sender
        and block.blocked_at_ms <= verdict.occurred_at_ms < until_ms
    ]
    assert block.evidence is not None
    spam = SPAM_VERDICTS | ({Verdict.BULK} if policies.named(block.evidence.policy).bulk_is_spam else set())
    return Stopped(len(while_blocked), sum(verdict in spam for verdict in while_blocked))


@given(policy_sets(), _logs_with_cuts)
def test_what_if_decides_as_the_reference_whatever_the_batches(
    policies: PolicySet, log_and_cuts: tuple[list[MessageVerdict], list[int]]
) -> None:
    log, ends = log_and_cuts
    (outcome,) = tried([policies], log, ends).outcomes
    expected: list[Published] = by_reference(policies, log)[1]
    assert list(outcome.events) == expected
    assert [each.block for each in outcome.blocks] == [each for each in expected if isinstance(each, SenderBlocked)]
    ends_told = {
        each.block_id: each for each in expected if not isinstance(each, SenderBlocked) and hasattr(each, "block_id")
    }
    assert all(each.end == ends_told.get(each.block.block_id) for each in outcome.blocks)


@given(policy_sets(), _logs_with_cuts)
def test_what_is_stopped_is_what_a_plain_count_finds(
    policies: PolicySet, log_and_cuts: tuple[list[MessageVerdict], list[int]]
) -> None:
    log, ends = log_and_cuts
    (outcome,) = tried([policies], log, ends).outcomes
    for each in outcome.blocks:
        assert each.stopped == plainly_stopped(policies, log, each.block)
    assert outcome.stopped == sum((plainly_stopped(policies, log, each.block) for each in outcome.blocks), Stopped())


@given(policy_sets(), histories(), st.integers(1, 40))
def test_with_the_commands_and_the_clock_it_is_the_history(policies: PolicySet, history: list[Step], size: int) -> None:
    """What a range of the topic gives, when no other policies came in between."""
    steps = [step for step in history if not isinstance(step, PolicySet)]
    what_if, applied = _lived(policies, steps, size)
    (outcome,) = what_if.outcomes
    assert without_messages(outcome.events) == without_messages(by_reference(policies, steps)[1])
    log = [step for step in steps if isinstance(step, MessageVerdict)]
    for number, each in enumerate(outcome.blocks):
        later = [other.block for other in outcome.blocks[number + 1 :] if other.block.sender == each.block.sender]
        assert each.stopped == _plainly_stopped_among_commands(policies, log, each, later, applied)


def _lived(policies: PolicySet, steps: Sequence[Step], size: int) -> tuple[WhatIf, dict[str, int]]:
    """What-if through verdicts and all else; and before which verdict each event applied that no verdict caused."""
    what_if = WhatIf.from_the_beginning([policies], topic=TOPIC, seed=SEED, partition=PARTITION)
    decoder = Decoder(NoOtherWriters(), SEED)
    applied: dict[str, int] = {}
    offset = 0
    for piece in cut(stretches(steps), size):
        verdicts = [step for step in piece if isinstance(step, MessageVerdict)]
        if verdicts:
            offsets = np.arange(offset, offset + len(verdicts))
            times = np.full(len(verdicts), LATE_CLOCK_MS, np.int64)
            what_if.take(decoder.batch([payload_of(verdict) for verdict in verdicts], offsets, times))
        else:

            def act(engine: Engine, piece: Sequence[Step] = piece, offset: int = offset) -> list[Published]:
                events = live(engine, piece, offset)
                applied.update((event.event_id, offset) for event in events)
                return events

            what_if.apply(act)
        offset += len(verdicts)
    return what_if, applied


def _plainly_stopped_among_commands(
    policies: PolicySet,
    log: Sequence[MessageVerdict],
    tried: TriedBlock,
    later: Sequence[SenderBlocked],
    applied: dict[str, int],
) -> Stopped:
    """Commands come with any times: the latest block that began by the message's own has stopped it, if it lasted, and no other."""

    def begins(block: SenderBlocked) -> int:
        return applied.get(block.event_id, block.position.offset + 1)

    block, end = tried.block, tried.end
    lifted_before = len(log) if end is None else applied.get(end.event_id, end.position.offset)
    bulk = policies.named(block.evidence.policy if block.evidence else None).bulk_is_spam
    messages = spam = 0
    for offset, verdict in enumerate(log):
        until_ms = block.blocked_until_ms or 1 << 62
        if end is not None and offset >= lifted_before:
            until_ms = end.unblocked_at_ms
        if (
            offset >= begins(block)
            and verdict.sender == block.sender
            and block.blocked_at_ms <= verdict.occurred_at_ms < until_ms
            and not any(offset >= begins(other) and other.blocked_at_ms <= verdict.occurred_at_ms for other in later)
        ):
            messages += 1
            spam += verdict.verdict in SPAM_VERDICTS or (bulk and verdict.verdict is Verdict.BULK)
    return Stopped(messages, spam)


@given(st.lists(policy_sets(), min_size=2, max_size=4), _logs_with_cuts)
def test_sets_that_are_tried_together_decide_as_each_would_alone(
    several: list[PolicySet], log_and_cuts: tuple[list[MessageVerdict], list[int]]
) -> None:
    log, ends = log_and_cuts
    together = tried(several, log, ends)
    for policies, outcome in zip(several, together.outcomes, strict=True):
        alone = tried([policies], log, ends)
        assert alone.outcomes == (outcome,)
        assert alone.totals == together.totals


@given(_logs_with_cuts)
def test_the_totals_are_those_of_the_log(log_and_cuts: tuple[list[MessageVerdict], list[int]]) -> None:
    log, ends = log_and_cuts
    totals = tried([PolicySet()], log, ends).totals
    times = [verdict.occurred_at_ms for verdict in log]
    assert (totals.records, totals.first_ms, totals.last_ms) == (len(log), min(times), max(times))
    assert totals.senders == len({verdict.sender for verdict in log})
    assert totals.spam_messages == sum(verdict.verdict in SPAM_VERDICTS for verdict in log)
    assert totals.bulk_messages == sum(verdict.verdict is Verdict.BULK for verdict in log)
    newest = [max(times[: number + 1]) for number in range(len(log))]
    assert totals.late == sum(at // PANE <= now // PANE - 288 for at, now in zip(times, newest, strict=True))


def test_records_that_nobody_can_read_are_counted_by_reason() -> None:
    what_if = WhatIf.from_the_beginning([PolicySet()], topic=TOPIC, seed=SEED)
    decoder = Decoder(NoOtherWriters(), SEED)
    batch = decoder.batch([None, b"\x00", None], np.arange(3), np.zeros(3, np.int64))
    what_if.take(batch)
    assert {reason.value: count for reason, count in what_if.totals.rejected.items()} == {
        "null value": 2,
        "truncated": 1,
    }
    assert (what_if.totals.records, what_if.totals.first_ms) == (0, None)


def _spam(at_ms: int, verdict: Verdict = Verdict.SPAM, number: int = 0) -> MessageVerdict:
    return MessageVerdict(
        event_id=f"e{number}",
        occurred_at_ms=at_ms,
        tenant_id="a.test",
        sender="ann@a.test",
        internal_recipients=0,
        external_recipients=1,
        verdict=verdict,
    )


def _from_the_second_spam_on(action: Action) -> PolicySet:
    limits = dict.fromkeys(Policy().limits) | {"spam_messages_per_hour": 1.0}
    return PolicySet((Policy(limits=limits, action=action),), version="v1")


def test_the_message_that_tips_the_limit_was_sent_and_those_after_it_are_stopped() -> None:
    log = [_spam(START_MS + n) for n in range(5)] + [_spam(START_MS + 9, Verdict.CLEAN)]
    outcome = outcome_of(_from_the_second_spam_on(Action.BLOCK), log)
    assert [each.stopped for each in outcome.blocks] == [Stopped(messages=4, spam_messages=3)]


def test_mail_that_left_before_the_block_and_came_in_after_it_is_not_stopped() -> None:
    log = [_spam(START_MS), _spam(START_MS + 60_000), _spam(START_MS + 30_000), _spam(START_MS + 90_000)]
    outcome = outcome_of(_from_the_second_spam_on(Action.BLOCK), log)
    assert [each.stopped.messages for each in outcome.blocks] == [1]


def test_mail_of_the_blocked_time_is_stopped_though_it_comes_in_after_its_end() -> None:
    midnight = (START_MS // DAY + 1) * DAY
    log = [_spam(START_MS), _spam(START_MS + 1), _spam(midnight + 1), _spam(midnight - 1), _spam(midnight)]
    outcome = outcome_of(_from_the_second_spam_on(Action.BLOCK_UNTIL_TOMORROW), log)
    assert [each.stopped.messages for each in outcome.blocks] == [1, 0]
    assert outcome.blocks[0].end is not None


def test_a_policy_that_only_alerts_stops_nothing() -> None:
    log = [_spam(START_MS + n) for n in range(5)]
    outcome = outcome_of(_from_the_second_spam_on(Action.ALERT), log)
    assert (outcome.alerts, outcome.holds, outcome.stopped, outcome.blocked_senders) == (1, 0, Stopped(), frozenset())


def test_what_the_brake_holds_is_told_apart() -> None:
    policies = replace(_from_the_second_spam_on(Action.BLOCK), brake_blocks=1)
    log = [replace(_spam(START_MS + n), sender=f"{name}@a.test") for name in "abc" for n in (0, 1)]
    outcome = outcome_of(policies, log)
    assert (outcome.blocked_senders, outcome.holds, outcome.alerts) == (frozenset({"a@a.test"}), 2, 0)


def test_what_one_set_does_not_count_after_a_block_another_without_the_block_does() -> None:
    midnight = (START_MS // DAY + 1) * DAY
    strict = _from_the_second_spam_on(Action.BLOCK_UNTIL_TOMORROW)
    lax = PolicySet((Policy(limits=dict.fromkeys(Policy().limits) | {"spam_messages_per_day": 3.0}),))
    log = [_spam(START_MS), _spam(START_MS + 1), _spam(midnight + 1), _spam(midnight - 1)]
    by_strict, by_lax = tried([strict, lax], log, [4]).outcomes
    assert [each.block.position.offset for each in by_strict.blocks] == [1]
    assert [each.block.position.offset for each in by_lax.blocks] == [3]
