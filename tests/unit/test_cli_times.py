"""Times on a command line: what people write, and what it means."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.cli.common import CommandFailed
from processor.cli.times import coming_ms, duration_ms, shown

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOW_MS = at("2026-11-26T19:30:15")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("2026-11-27T18:00:00Z", "2026-11-27T18:00:00"),
        ("2026-11-27t18:00:00z", "2026-11-27T18:00:00"),
        ("2026-11-27 18:00", "2026-11-27T18:00:00"),
        ("2026-11-27 18:00:30", "2026-11-27T18:00:30"),
        ("2026-11-27 18:00 UTC", "2026-11-27T18:00:00"),
        ("2026-11-27 18:00 +01:00", "2026-11-27T17:00:00"),
        ("2026-11-27T18:00-05:00", "2026-11-27T23:00:00"),
        ("2026-11-27", "2026-11-27T00:00:00"),
        ("2026-11-27T00:00:00.250Z", "2026-11-27T00:00:00.250"),
        ("tomorrow", "2026-11-27T00:00:00"),
        ("45s", "2026-11-26T19:31:00"),
        ("90m", "2026-11-26T21:00:15"),
        ("8h", "2026-11-27T03:30:15"),
        ("1.5h", "2026-11-26T21:00:15"),
        ("3d", "2026-11-29T19:30:15"),
        ("2w", "2026-12-10T19:30:15"),
    ],
)
def test_a_coming_moment_as_people_write_it(word: str, meant: str) -> None:
    assert coming_ms(word, "--until", NOW_MS) == at(meant)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("2026-11-26 19:30", "that is past; it is 2026-11-26T19:30:15Z now"),
        ("2026-02-30 12:00", "day is out of range"),
        ("2026-11-27 25:00", "hour must be in 0..23"),
        ("18:00", "expected a time such as"),
        ("next week", "expected a time such as"),
        ("27-11-2026", "expected a time such as"),
        ("0h", "expected a time such as"),
        ("-3h", "expected a time such as"),
        ("٣h", "expected a time such as"),
        ("", "expected a time such as"),
        ("999999999w", "after the year 9999"),
    ],
)
def test_what_no_moment_to_come_is_says_so_and_names_the_option(word: str, told: str) -> None:
    with pytest.raises(CommandFailed, match="--until") as failed:
        coming_ms(word, "--until", NOW_MS)
    assert told in str(failed.value)
    assert failed.value.status == 2


@given(st.integers(0, at("9999-12-30T00:00:00")))
def test_tomorrow_is_the_next_midnight(now_ms: int) -> None:
    tomorrow = coming_ms("tomorrow", "--until", now_ms)
    assert tomorrow % DAY_MS == 0
    assert 0 < tomorrow - now_ms <= DAY_MS


@given(st.integers(NOW_MS + 1000, at("9999-12-31T23:59:59")))
def test_what_is_shown_can_be_given_again(time_ms: int) -> None:
    assert coming_ms(shown(time_ms), "--until", NOW_MS) == time_ms // 1000 * 1000


@pytest.mark.parametrize(("word", "meant"), [("30s", 30_000), ("0.5s", 500), ("24h", DAY_MS), ("1w", 7 * DAY_MS)])
def test_a_duration_has_a_number_and_a_unit(word: str, meant: int) -> None:
    assert duration_ms(word, "--timeout") == meant


@pytest.mark.parametrize("word", ["", "30", "s", "30 s", "1h30m", "0s", "1e3s", "infs"])
def test_another_word_is_no_duration(word: str) -> None:
    with pytest.raises(CommandFailed, match=r"--timeout .*: expected a time such as 30s, 90m, 24h or 7d"):
        duration_ms(word, "--timeout")
