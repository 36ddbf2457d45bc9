"""The clock that a process goes by, and waits by. Only the shells have one: the cores are told the time."""

import time
from typing import Protocol


class Clock(Protocol):
    """The time of day, and the time that has passed."""

    def now_ms(self) -> int:
        """The time of day, epoch milliseconds; it may be set back or forth."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; it never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after so long."""
        ...


class MachineClock:
    """The machine's own."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


MACHINE: Clock = MachineClock()
