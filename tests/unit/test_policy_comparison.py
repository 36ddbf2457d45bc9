"""Two sets of policies on one log, and a limit at many values."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.audit.policy_comparison import Comparison, compared
from processor.audit.sweep import VALUES_MAX, Sweep, SweepError, parse
from processor.policies.limits import LIMITS
from processor.policies.policy import Action, Policy, PolicySet
from processor.verdicts.event import MessageVerdict
from tests.unit.test_what_if import outcome_of, tried
from tests.verdict_strategies import logs, policy_sets


@given(policy_sets(), logs())
def test_a_policy_does_not_differ_from_itself(policies: PolicySet, log: list[MessageVerdict]) -> None:
    outcome = outcome_of(policies, log)
    again = outcome_of(replace(policies, version="v2"), log)
    assert compared(outcome, again) == Comparison((), (), (), len(outcome.blocked_senders))


@given(policy_sets(), policy_sets(), logs())
def test_every_blocked_sender_is_in_one_part_of_the_comparison(
    ours: PolicySet, others: PolicySet, log: list[MessageVerdict]
) -> None:
    one, other = outcome_of(ours, log), outcome_of(others, log)
    comparison = compared(one, other)
    assert {each.sender for each in comparison.only_ours} == one.blocked_senders - other.blocked_senders
    assert {each.sender for each in comparison.only_others} == other.blocked_senders - one.blocked_senders
    both = one.blocked_senders & other.blocked_senders
    assert {each.sender for each in comparison.different} <= both
    assert len(comparison.different) + comparison.alike == len(both)
    mirrored = compared(other, one)
    assert [each.sender for each in mirrored.only_ours] == [each.sender for each in comparison.only_others]
    assert [each.later_ms for each in mirrored.different] == [
        -each.later_ms for each in comparison.different if each.later_ms is not None
    ]


@given(policy_sets(), logs(), st.sampled_from([limit.name for limit in LIMITS]), st.floats(0, 20))
def test_the_row_of_a_sweep_for_the_own_value_is_the_plain_run(
    policies: PolicySet, log: list[MessageVerdict], limit: str, other: float
) -> None:
    for policy in policies.policies:
        own = policy.limits[limit]
        if own is None:
            continue
        sweep = Sweep(policy.name, limit, tuple(sorted({own, other})))
        outcomes = tried(sweep.tried_on(policies), log, [len(log)]).outcomes
        assert outcomes[sweep.values.index(own)] == outcome_of(policies, log)


def test_a_sweep_changes_one_limit_of_one_policy() -> None:
    policies = PolicySet((Policy("staff", action=Action.ALERT), Policy()), version="7")
    low, own = parse("staff/spam_messages_per_hour=5,10").tried_on(policies)
    assert own is policies
    assert low.policies[1] == policies.policies[1]
    assert low.policies[0] == replace(
        policies.policies[0], limits={**policies.policies[0].limits, "spam_messages_per_hour": 5.0}
    )
    assert low.version == "7 with staff/spam_messages_per_hour = 5"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("spam_messages_per_hour=5..50:15", (5, 20, 35, 50)),
        ("spam_messages_per_hour=5..50:20", (5, 25, 45)),
        ("spam_messages_per_hour=1..3", (1, 2, 3)),
        ("spam_messages_per_hour=20,5,10,5", (5, 10, 20)),
        ("spam_percent_per_day=0.1..0.5:0.1", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("spam_messages_per_hour=7", (7,)),
        ("spam_messages_per_hour=1..3,100", (1, 2, 3, 100)),
    ],
)
def test_the_values_of_a_sweep(text: str, values: tuple[float, ...]) -> None:
    assert parse(text).values == values


def test_a_policy_of_any_name_can_be_swept() -> None:
    assert parse("a/b=c/spam_messages_per_day=1").policy == "a/b=c"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("spam_messages_per_hour", "expected [POLICY/]LIMIT=VALUES"),
        ("=5", "is no limit"),
        ("spam_messages=5", "the limits are: spam_messages_per_hour, "),
        ("/spam_messages_per_hour=5", "expected [POLICY/]LIMIT=VALUES"),
        ("spam_messages_per_hour=", "is no number"),
        ("spam_messages_per_hour=ten", "ten is no number"),
        ("spam_messages_per_hour=nan", "cannot be a limit"),
        ("spam_messages_per_hour=5:5", "a step goes with a range"),
        ("spam_messages_per_hour=5..1", "the lower value first"),
        ("spam_messages_per_hour=1..5:0", "a step above 0"),
        ("spam_messages_per_hour=-1", "0 or more"),
        ("spam_percent_per_day=90..110:10", "0 to 100"),
        ("spam_messages_per_hour=0..1e15:1", f"more than {VALUES_MAX} values"),
        ("spam_messages_per_hour=1..90,200..290", f"more than {VALUES_MAX} values"),
    ],
)
def test_a_sweep_that_means_nothing_is_refused(text: str, told: str) -> None:
    with pytest.raises(SweepError, match=told.replace("[", r"\[").replace("(", r"\(")):
        parse(text)


@given(st.integers(0, 10**6), st.integers(VALUES_MAX, 10**12))
def test_the_larger_steps_that_are_told_are_large_enough(first: int, length: int) -> None:
    with pytest.raises(SweepError) as refused:
        parse(f"recipients_per_day={first}..{first + length}")
    told = str(refused.value).rpartition("such as ")[2]
    assert VALUES_MAX // 2 < len(parse(f"recipients_per_day={told}").values) <= VALUES_MAX


def test_a_sweep_of_a_policy_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(SweepError, match="no policy guests; there are: staff, default"):
        parse("guests/spam_messages_per_day=1").tried_on(PolicySet((Policy("staff"), Policy())))
