"""One benchmark at a time in a checkout, and a stop that ends what it has started and keeps what it has measured."""

import fcntl
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from bench.broker import ROOT

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NotAlone(Exception):
    """Another one is at work here: they would take each other's processors and the contenders' local state."""


class Stopped(BaseException):
    """Ctrl-C, or one of its kind. Not an Exception: nobody on the way takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def name(self) -> str:
        """As in SIGINT."""
        return signal.Signals(self.number).name


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """The first signal raises Stopped; further ones do not disturb what ends the processes."""

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    before = {each: signal.signal(each, stop) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def alone(lock: Path = ROOT / ".cache" / "bench.lock") -> Iterator[None]:
    """Raises NotAlone where another process is within. The lock goes with its process, however that ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotAlone("another benchmark runs in this checkout: wait for its end, or stop it") from None
        yield
