"""A recording stretched over a longer time keeps its order and its proportions."""

from hypothesis import given
from hypothesis import strategies as st

from processor.verdicts.event import MessageVerdict, Verdict
from processor.verdicts.reading import Arrived, Entry, Refused, Skipped
from processor.verdicts.spreading import Recording, Spread, survey

DAY_MS, END_MS = 86_400_000, 1_795_500_000_000
START_MS = 1_795_485_590_000


def _at(time_ms: int) -> MessageVerdict:
    return MessageVerdict("e", time_ms, "t", "s", 0, 1, Verdict.CLEAN)


def _stretched(entries: list[Entry]) -> list[Entry]:
    numbered = list(enumerate(entries, 1))
    spread = Spread(survey(numbered), DAY_MS, END_MS)
    return [spread.place(number, entry) for number, entry in numbered]


def _times(entries: list[Entry]) -> list[int]:
    return [entry.occurred_at_ms for entry in entries if isinstance(entry, MessageVerdict)]


@given(st.lists(st.integers(0, 60_000), min_size=2, max_size=20, unique=True))
def test_relative_distances_are_kept_and_the_last_moment_is_the_end(offsets_ms: list[int]) -> None:
    times = _times(_stretched([_at(START_MS + offset) for offset in offsets_ms]))
    assert (min(times), max(times)) == (END_MS - DAY_MS, END_MS)
    scale = DAY_MS / (max(offsets_ms) - min(offsets_ms))
    for time_ms, offset in zip(times, offsets_ms, strict=True):
        assert abs(time_ms - (END_MS - (max(offsets_ms) - offset) * scale)) <= 1


def test_entries_without_a_time_stand_evenly_by_their_line() -> None:
    times = _times(_stretched([Arrived(_at(5)), Skipped("x"), Refused("f", "p"), Arrived(_at(5)), Arrived(_at(5))]))
    assert times == [END_MS - DAY_MS, END_MS - DAY_MS // 4, END_MS]


def test_a_recording_of_one_moment_is_spread_by_its_lines() -> None:
    assert _times(_stretched([_at(START_MS)] * 3)) == [END_MS - DAY_MS, END_MS - DAY_MS // 2, END_MS]
    assert _times(_stretched([_at(START_MS)])) == [END_MS]


def test_what_is_no_verdict_stays_as_it_is() -> None:
    assert _stretched([Skipped("x"), Refused("f", "p")]) == [Skipped("x"), Refused("f", "p")]


def test_a_survey_of_nothing_is_empty() -> None:
    assert survey([]) == Recording(0, None, None)
