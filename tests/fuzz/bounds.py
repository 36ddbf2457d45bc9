"""The bounds of one check: processor time and memory. Only for the main thread of a process: a signal ends what takes too long."""

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class TookTooLong(BaseException):
    """Above Exception, so that no reader takes it for an error of its input."""


class GrewTooLarge(AssertionError):
    """The process took more memory than the target allows."""


@contextmanager
def within(limit_s: float) -> Iterator[None]:
    """Raises TookTooLong where the block uses more processor time than that, its waiting not counted."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLong(f"more than {limit_s:g} s of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def growth(at_most_mb: int) -> Callable[[], None]:
    """A check that the process's peak of resident memory has not grown by more than that since now."""
    begin = _peak_mb()

    def check() -> None:
        grown = _peak_mb() - begin
        if grown > at_most_mb:
            raise GrewTooLarge(f"the process grew by {grown:.0f} MB, {at_most_mb} are allowed")

    return check


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
