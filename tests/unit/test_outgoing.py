"""Which deliveries start: none before its time, none beside itself, no domain at the cost of others."""

from hypothesis import given
from hypothesis import strategies as st

from processor.notification.outgoing import Errand, Outgoing

errands = st.builds(
    Errand,
    partition=st.integers(0, 2),
    notification_id=st.sampled_from("abcdef"),
    recipient=st.sampled_from(["a@slow.example", "b@slow.example", "c@fast.example", "d@other.example", "nowhere"]),
)


@given(st.lists(st.tuples(errands, st.integers(0, 100))), st.integers(0, 100), st.integers(1, 5), st.integers(1, 3))
def test_what_starts_is_due_and_within_the_bounds(
    scheduled: list[tuple[Errand, int]], now_ms: int, most: int, most_per_domain: int
) -> None:
    outgoing = Outgoing(most=most, most_per_domain=most_per_domain)
    for errand, at_ms in scheduled:
        outgoing.schedule(errand, at_ms)
    started = list(outgoing.start(now_ms))
    due = {errand for errand, at_ms in scheduled if at_ms <= now_ms}
    assert len(set(started)) == len(started) <= most
    assert set(started) <= due
    domains = [errand.domain for errand in started]
    assert all(domains.count(domain) <= most_per_domain for domain in domains)
    if len(started) < most:
        waiting = due - set(started)
        assert all(domains.count(errand.domain) == most_per_domain for errand in waiting), "nothing waits without need"


@given(st.lists(st.tuples(errands, st.integers(0, 100))), st.integers(1, 3))
def test_everything_is_started_in_the_end(scheduled: list[tuple[Errand, int]], most: int) -> None:
    outgoing = Outgoing(most=most, most_per_domain=1)
    for errand, at_ms in scheduled:
        outgoing.schedule(errand, at_ms)
    started: set[Errand] = set()
    while now_started := list(outgoing.start(100)):
        started |= set(now_started)
        for errand in now_started:
            outgoing.done(errand)
    assert started == {errand for errand, _ in scheduled}
    assert len(outgoing) == 0


def test_one_domain_that_never_answers_holds_up_nobody_else() -> None:
    outgoing = Outgoing(most=4, most_per_domain=2)
    for number in range(100):
        outgoing.schedule(Errand(0, f"slow{number}", "a@slow.example"), 0)
    outgoing.schedule(Errand(0, "quick", "b@fast.example"), 1)
    assert [errand.notification_id for errand in outgoing.start(1)] == ["slow0", "slow1", "quick"]


def test_a_delivery_under_way_is_not_started_beside_itself() -> None:
    outgoing = Outgoing(most=4, most_per_domain=4)
    errand = Errand(0, "a", "a@x.example")
    outgoing.schedule(errand, 0)
    assert list(outgoing.start(0)) == [errand]
    outgoing.forget(0)
    outgoing.schedule(errand, 0)
    assert list(outgoing.start(0)) == []
    outgoing.done(errand)
    assert list(outgoing.start(0)) == [errand]


def test_what_waits_of_a_lost_partition_is_forgotten() -> None:
    outgoing = Outgoing(most=4, most_per_domain=4)
    for partition in (0, 1):
        outgoing.schedule(Errand(partition, "now", "a@x.example"), 0)
        outgoing.schedule(Errand(partition, "later", "a@x.example"), 50)
    outgoing.forget(0)
    assert {errand.partition for errand in outgoing.start(100)} == {1}
