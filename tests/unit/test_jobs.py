"""What parts that are worked at side by side say to their parent."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from processor.detection.engine import TableFull
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.reading import ReadingFailed, ReadingStopped, RecordsGone, UnknownTopic
from processor.workers.jobs import Progress, side_by_side

FAILURES = {
    "gone": RecordsGone("a-topic", 3, "out of range"),
    "unknown": UnknownTopic("a-topic"),
    "away": BrokerUnreachable("127.0.0.1:1", "refused"),
    "full": TableFull(3),
    "failed": ReadingFailed("what is wrong"),
}


def work(what: str, should_stop: Callable[[], bool], progress: Progress) -> str:
    """A part that fails as it is told to."""
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "signals":
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    if what == "held back":
        return ",".join(signal.Signals(each).name for each in sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
    if what == "process":
        return str(os.getpid())
    if what in FAILURES:
        raise FAILURES[what]
    return what


def worked(*parts: str, stops: bool = False) -> list[Any]:
    return side_by_side(work, [(part,) for part in parts], 2, lambda: stops, lambda *_: None)


@pytest.mark.parametrize("what", FAILURES)
def test_what_a_part_raises_arrives_with_its_own_words(what: str) -> None:
    with pytest.raises(type(FAILURES[what])) as raised:
        worked("one", what)
    assert str(raised.value) == str(FAILURES[what])


def test_answers_come_in_the_order_of_the_parts_and_signals_are_for_the_parent() -> None:
    assert worked("one", "signals", "three") == ["one", "signals", "three"]


def test_one_part_is_worked_on_in_this_process() -> None:
    assert worked("process") == [str(os.getpid())]
    assert str(os.getpid()) not in worked("process", "process")


def test_a_signal_that_comes_while_a_process_loads_its_modules_does_not_end_it() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert worked("held back", "one") == ["SIGINT,SIGTERM", "one"]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_process_that_was_killed_is_told() -> None:
    with pytest.raises(ReadingFailed, match="fewer --jobs"):
        worked("one", "killed")


def test_a_process_that_died_of_the_same_signal_as_all_is_a_stop() -> None:
    with pytest.raises(ReadingStopped):
        worked("one", "killed", stops=True)
