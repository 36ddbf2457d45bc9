"""Laws of the waits between attempts."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from processor.notification.results import RELAY_PHASES, Phase
from processor.notification.schedule import DAY_MS, HOUR_MS, MINUTE_MS, Schedule

times_ms = st.integers(0, 2**42)
phases = st.sampled_from(list(Phase))
SCHEDULE = Schedule()


def attempts_until_given_up(phase: Phase, seed: str, schedule: Schedule = SCHEDULE) -> list[int]:
    """The times of all attempts of a mail that is never accepted, each of which takes no time."""
    times = [0]
    while True:
        following = schedule.next_attempt_ms(
            first_attempt_ms=0, now_ms=times[-1], attempts=len(times), phase=phase, seed=seed
        )
        if following is None:
            return times
        times.append(following)


@given(times_ms, st.integers(0, 4 * DAY_MS), st.integers(1, 10_000), phases, st.text())
def test_the_next_attempt_is_later_and_not_past_the_third_day(
    first_ms: int, passed_ms: int, attempts: int, phase: Phase, seed: str
) -> None:
    now_ms = first_ms + passed_ms
    following = SCHEDULE.next_attempt_ms(
        first_attempt_ms=first_ms, now_ms=now_ms, attempts=attempts, phase=phase, seed=seed
    )
    if passed_ms >= 3 * DAY_MS:
        assert following is None
    else:
        assert following is not None
        assert now_ms < following <= first_ms + 3 * DAY_MS


@given(times_ms, st.integers(1, 100), phases, st.text())
def test_the_wait_is_the_same_whenever_it_is_asked_for(now_ms: int, attempts: int, phase: Phase, seed: str) -> None:
    def asked() -> int | None:
        return SCHEDULE.next_attempt_ms(
            first_attempt_ms=now_ms, now_ms=now_ms, attempts=attempts, phase=phase, seed=seed
        )

    assert asked() == asked()


@given(phases, st.text())
def test_a_mail_that_is_never_accepted_is_tried_for_three_days_and_then_given_up(phase: Phase, seed: str) -> None:
    times = attempts_until_given_up(phase, seed)
    assert times[-1] == 3 * DAY_MS
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert 45_000 <= waits[0] <= MINUTE_MS
    assert max(waits) <= (5 * MINUTE_MS if phase in RELAY_PHASES else 2 * HOUR_MS)


@given(st.text())
def test_greylisting_of_five_minutes_costs_less_than_ten(seed: str) -> None:
    assert any(5 * MINUTE_MS <= time_ms <= 10 * MINUTE_MS for time_ms in attempts_until_given_up(Phase.RCPT, seed))


def test_a_thousand_mails_do_not_come_back_together() -> None:
    following = {
        SCHEDULE.next_attempt_ms(first_attempt_ms=0, now_ms=0, attempts=8, phase=Phase.RCPT, seed=str(number))
        for number in range(1000)
    }
    assert len(following) > 900
