"""Which deliveries start: none before its time, none beside itself, no domain at the cost of others."""

from hypothesis import given
from hypothesis import strategies as st

from processor.notification.outgoing import HANGS_AFTER_MS, Errand, Outgoing

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
        waiting = {errand for errand, _ in scheduled} - started
        assert len(outgoing) == len(waiting) + len(now_started)
        for errand in now_started:
            outgoing.done(errand)
    assert started == {errand for errand, _ in scheduled}
    assert len(outgoing) == 0


def test_one_domain_that_never_answers_holds_up_nobody_else() -> None:
    outgoing = Outgoing(most=4, most_per_domain=2)
    for number in range(100):
        outgoing.schedule(Errand(0, f"slow{number}", "a@slow.example"), 0)
    outgoing.schedule(Errand(0, "quick", "b@fast.example"), 1)
    assert [errand.notification_id for errand in outgoing.start(1)] == ["slow0", "quick", "slow1"]


def test_domains_take_turns_and_within_one_the_longest_due_goes_first() -> None:
    outgoing = Outgoing(most=100, most_per_domain=100)
    for number in range(3):
        outgoing.schedule(Errand(0, f"a{number}", "a@many.example"), number)
    outgoing.schedule(Errand(0, "b0", "b@few.example"), 3)
    assert [errand.notification_id for errand in outgoing.start(3)] == ["a0", "b0", "a1", "a2"]


def test_nothing_is_due_while_there_is_no_place_for_it() -> None:
    outgoing = Outgoing(most=4, most_per_domain=1)
    errands = [Errand(0, name, "a@x.example") for name in ("one", "two")]
    for errand in errands:
        outgoing.schedule(errand, 0)
    assert outgoing.is_due(0)
    assert list(outgoing.start(0)) == errands[:1]
    assert not outgoing.is_due(0)
    outgoing.done(errands[0])
    assert outgoing.is_due(0)


def test_less_room_than_usual_is_kept_to() -> None:
    outgoing = Outgoing(most=4, most_per_domain=4)
    for number in range(4):
        outgoing.schedule(Errand(0, str(number), "a@x.example"), 0)
    assert len(list(outgoing.start(0, 2))) == 2
    assert list(outgoing.start(0, 1)) == []
    assert len(list(outgoing.start(0, 9))) == 2


def test_a_hundred_thousand_mails_to_one_domain_cost_the_others_nothing() -> None:
    """Neither places nor the time to find out who is next: ten thousand starts among them take well under a second."""
    outgoing = Outgoing(most=10, most_per_domain=3)
    for number in range(100_000):
        outgoing.schedule(Errand(0, f"slow{number}", "a@slow.example"), 0)
    stuck = list(outgoing.start(0))
    for number in range(10_000):
        errand = Errand(0, f"quick{number}", "b@fast.example")
        outgoing.schedule(errand, 0)
        assert list(outgoing.start(0)) == [errand]
        outgoing.done(errand)
    assert len(stuck) == 3


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


def test_where_many_domains_hang_others_take_their_places_and_no_more_than_as_many_again() -> None:
    outgoing = Outgoing(most=3, most_per_domain=3)
    for number in range(10):
        outgoing.schedule(Errand(0, f"slow{number}", f"a@slow{number}.example"), 0)
    assert len(list(outgoing.start(0))) == 3
    assert len(list(outgoing.start(HANGS_AFTER_MS - 1))) == 0
    assert len(list(outgoing.start(HANGS_AFTER_MS))) == 3
    assert len(list(outgoing.start(10 * HANGS_AFTER_MS))) == 0
    outgoing.done(Errand(0, "slow0", "a@slow0.example"))
    assert len(list(outgoing.start(10 * HANGS_AFTER_MS))) == 1


def test_what_has_hung_and_ended_takes_its_place_when_it_starts_again() -> None:
    outgoing = Outgoing(most=1, most_per_domain=1)
    errand, other = Errand(0, "slow", "a@slow.example"), Errand(0, "other", "a@x.example")
    for round_ms in (0, HANGS_AFTER_MS):
        outgoing.schedule(errand, round_ms)
        assert list(outgoing.start(round_ms)) == [errand]
        outgoing.schedule(other, round_ms)
        assert list(outgoing.start(round_ms + HANGS_AFTER_MS - 1)) == []
        assert list(outgoing.start(round_ms + HANGS_AFTER_MS)) == [other]
        outgoing.done(errand)
        outgoing.done(other)


def test_domains_that_have_hung_share_half_of_the_places_until_something_goes_quickly_there() -> None:
    outgoing = Outgoing(most=4, most_per_domain=3)
    first = [Errand(0, f"first{number}", f"a@slow{number}.example") for number in range(4)]
    for errand in first:
        outgoing.schedule(errand, 0)
    assert list(outgoing.start(0)) == first
    assert list(outgoing.start(HANGS_AFTER_MS)) == []
    for errand in first:
        outgoing.done(errand)
    again = [Errand(0, f"again{number}-{each}", f"a@slow{number}.example") for number in range(4) for each in range(3)]
    for errand in again:
        outgoing.schedule(errand, HANGS_AFTER_MS)
    started = list(outgoing.start(HANGS_AFTER_MS))
    assert [errand.domain for errand in started] == ["slow0.example", "slow1.example"]
    fine = [Errand(0, f"fine{number}", "b@fine.example") for number in range(3)]
    for errand in fine:
        outgoing.schedule(errand, HANGS_AFTER_MS)
    assert list(outgoing.start(HANGS_AFTER_MS)) == fine[:2]
    outgoing.done(started[0])
    assert [errand.notification_id for errand in outgoing.start(HANGS_AFTER_MS)] == ["again2-0"]
    for errand in fine[:2]:
        outgoing.done(errand)
    assert [errand.notification_id for errand in outgoing.start(HANGS_AFTER_MS)] == ["fine2", "again0-1"]


def test_a_domain_that_hangs_gets_no_second_place() -> None:
    outgoing = Outgoing(most=4, most_per_domain=3)
    for number in range(3):
        outgoing.schedule(Errand(0, f"slow{number}", "a@slow.example"), number * HANGS_AFTER_MS)
    assert len(list(outgoing.start(0))) == 1
    assert len(list(outgoing.start(2 * HANGS_AFTER_MS))) == 0
