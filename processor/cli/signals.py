"""SIGINT and SIGTERM as a question that a command asks itself between two steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Was this process asked to end, and by which signal? Calling it answers the first."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __call__(self) -> bool:
        return self.signal_number is not None


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A Stop that SIGINT and SIGTERM set, in place of their usual handlers while it is open."""
    stop = Stop()

    def ask(signal_number: int, _frame: FrameType | None) -> None:
        stop.signal_number = signal_number

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
