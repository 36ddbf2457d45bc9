"""How many mails a mail server is given at a time: fewer when it has no answer, one when it is away, all when it is back."""

from hypothesis import given
from hypothesis import strategies as st

from processor.notification.reachability import News, Reachability
from processor.notification.results import Accepted, Deferred, PermanentlyRejected, Phase, Reply, Result, Unknown

NO_CONNECTION = Deferred(Phase.CONNECT, "CONNECT failed: refused")
TOO_MANY = Deferred(Phase.MAIL, "MAIL FROM was answered with 432", Reply(432, "too many connections"))
ACCEPTED = Accepted(Reply(250, "queued"))
ANSWERS: list[Result] = [
    ACCEPTED,
    Deferred(Phase.RCPT, "greylisted", Reply(450, "greylisted")),
    Deferred(Phase.RCPT, "RCPT TO failed: timed out"),
    PermanentlyRejected(Phase.RCPT, "unknown", Reply(550, "unknown")),
    Unknown("connection lost"),
]
EVERY_MS = 10_000

results = st.sampled_from([NO_CONNECTION, TOO_MANY, *ANSWERS, None, Deferred(Phase.RENDER, "no such fact")])


def away(most: int = 10) -> Reachability:
    reachability = Reachability(most=most, probe_every_ms=EVERY_MS)
    for _ in range(most):
        reachability.heard(NO_CONNECTION, 0)
    assert reachability.is_away
    return reachability


@given(st.integers(1, 20), st.lists(st.tuples(results, st.integers(0, 5_000))))
def test_there_is_never_more_room_than_in_good_times_and_always_some_in_the_end(
    most: int, history: list[tuple[Result | None, int]]
) -> None:
    reachability, now_ms = Reachability(most=most, probe_every_ms=EVERY_MS), 0
    for result, passed_ms in history:
        now_ms += passed_ms
        reachability.heard(result, now_ms)
        assert 0 <= reachability.room(now_ms) <= most
        assert reachability.room(now_ms + EVERY_MS) >= 1


@given(st.lists(st.sampled_from(ANSWERS), min_size=1))
def test_whatever_is_said_of_a_recipient_is_no_fault_of_the_server(answers: list[Result]) -> None:
    reachability = Reachability(most=10, probe_every_ms=EVERY_MS)
    assert [reachability.heard(answer, 0) for answer in answers] == [None] * len(answers)
    assert reachability.room(0) == 10


def test_a_server_that_is_away_is_asked_with_one_mail_every_few_seconds() -> None:
    reachability = away()
    assert reachability.room(EVERY_MS - 1) == 0
    assert reachability.room(EVERY_MS) == 1
    assert reachability.heard(NO_CONNECTION, EVERY_MS) is None
    assert reachability.room(2 * EVERY_MS - 1) == 0


def test_it_is_news_once_that_it_is_away_and_once_that_it_is_back() -> None:
    reachability = Reachability(most=10, probe_every_ms=EVERY_MS)
    said = [reachability.heard(result, 0) for result in [NO_CONNECTION] * 12 + [ACCEPTED] * 2]
    assert said == [None] * 9 + [News.AWAY, None, None, News.BACK, None]


def test_a_server_that_is_back_gets_more_and_more_again() -> None:
    reachability = away(most=4)
    rooms = []
    for _ in range(8):
        reachability.heard(ACCEPTED, EVERY_MS)
        rooms.append(reachability.room(EVERY_MS))
    assert rooms == [2, 2, 3, 3, 3, 4, 4, 4]


def test_a_server_that_takes_three_at_a_time_gets_three_at_a_time() -> None:
    """As some providers limit it: what is over three connections is refused, and the others go on."""
    reachability, taken, refused = Reachability(most=10, probe_every_ms=EVERY_MS), 0, 0
    for _ in range(100):
        started = reachability.room(0)
        for number in range(started):
            assert reachability.heard(ACCEPTED if number < 3 else TOO_MANY, 0) is None, "it is not away"
        taken, refused = taken + min(started, 3), refused + max(started - 3, 0)
    assert taken == 300
    assert refused <= 60


def test_what_was_not_tried_or_was_broken_off_says_nothing() -> None:
    reachability = away()
    assert reachability.heard(None, 0) is None
    assert reachability.heard(Deferred(Phase.RENDER, "no such fact"), 0) is None
    assert reachability.is_away
