"""Who goes on when: processes that take turns, and things that happen by themselves, in the order of a made-up clock.

Each process is a thread, but only the one that holds the turn runs; it gives the turn away where it calls a client or sleeps.
So all that happens follows from the seed. The one that holds the turn also lets happen what is due before its own time comes.
"""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

IDLE = "consume"
"""The call that a worker makes again and again when there is nothing to do."""
_STACK_BYTES = 1 << 20


class SimulatedDeath(BaseException):
    """The process is dead: no `except Exception` may go on, and every later call of one of its clients raises it again."""


class TooLong(Exception):
    """Nothing comes to an end: a process has made more calls than any that works."""


@dataclass(order=True, slots=True)
class _Due:
    at_s: float
    number: int
    action: "Callable[[], None] | Process" = field(compare=False)


class Process:
    """A worker's process. It dies when so many `lives` are used up: one with each call of a client, or with each but the idle ones."""

    def __init__(self, schedule: "Schedule", name: str, main: Callable[[], None]) -> None:
        self.name = name
        self.schedule = schedule
        self.is_dead = False
        self.has_ended = False
        self.failure: BaseException | None = None
        self.calls = 0
        self.lives: int | None = None
        self.is_spared_idle = False
        """Whether calls that only look for records cost no life."""
        self.died_in = ""
        self.freezes_in: int | None = None
        """Calls until it stands still (SIGSTOP), those not counted that only look for records; and for how long then."""
        self.freezes_for_s = 0.0
        self.frozen_until_s = 0.0
        self.times_frozen = 0
        self.turn = threading.Semaphore(0)
        self._main = main
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        self.turn.acquire()
        try:
            if not self.is_dead:
                self._main()
        except SimulatedDeath:
            pass
        except BaseException as failure:  # noqa: BLE001 - whoever watches the process asks for it
            self.failure = failure
        self.is_dead = self.has_ended = True
        self.schedule.ended(self)

    def wait(self, seconds: float) -> None:
        """Let others go on meanwhile. Raises SimulatedDeath for a process that has died."""
        if self.is_dead:
            raise SimulatedDeath
        self.schedule.wait(self, seconds)
        if self.is_dead:
            raise SimulatedDeath

    def step(self, what: str) -> None:
        """A point at which the process may die, freeze, or others go on."""
        self.calls += 1
        if self.lives is not None and not self.is_dead and not (self.is_spared_idle and what == IDLE):
            self.lives -= 1
            if self.lives <= 0:
                self.is_dead = True
                self.died_in = what
        if self.freezes_in is not None and what != IDLE:
            self.freezes_in -= 1
            if self.freezes_in <= 0:
                self.freeze()
        self.wait(self.schedule.chance.random() * 0.004)

    def freeze(self) -> None:
        """Stand still from now on, and go on later as if nothing had been."""
        self.freezes_in = None
        self.times_frozen += 1
        self.frozen_until_s = max(self.frozen_until_s, self.schedule.now_s + self.freezes_for_s)

    @property
    def is_frozen(self) -> bool:
        return self.frozen_until_s > self.schedule.now_s


class Schedule:
    """The made-up clock, and what is due when. `limit` bounds what may happen in all."""

    def __init__(self, chance: random.Random, start_ms: int, pace: float = 1.0, limit: int = 1_000_000) -> None:
        """`pace`: how much faster the time of day goes than the time that clients and workers wait by."""
        self.chance = chance
        self.now_s = 0.0
        self.happened = 0
        self._start_ms = start_ms
        self.pace = pace
        self._limit = limit
        self._due: list[_Due] = []
        self._number = 0
        self._is_over: Callable[[], bool] = lambda: False
        self._failure: BaseException | None = None
        self._main = threading.Semaphore(0)
        self._processes: list[Process] = []

    @property
    def now_ms(self) -> int:
        return self._start_ms + int(self.now_s * 1000 * self.pace)

    def start(self, name: str, main: Callable[[], None]) -> Process:
        """A process that begins soon."""
        process = Process(self, name, main)
        self._processes.append(process)
        before = threading.stack_size(_STACK_BYTES)
        process.thread.start()
        threading.stack_size(before)
        self._at(self.now_s, process)
        return process

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Something that happens by itself."""
        self._at(self.now_s + seconds, action)

    def run(self, is_over: Callable[[], bool]) -> None:
        """Let everything happen until `is_over`, asked after whatever happens. Raises what an action raised."""
        self._is_over = is_over
        self._hand_on()
        self._main.acquire()
        if self._failure is not None:
            raise self._failure

    def fail(self, failure: BaseException) -> None:
        """`run` ends, and raises this."""
        self._failure = self._failure or failure
        self._is_over = lambda: True

    def end(self) -> None:
        """Every process dies."""
        self._is_over = lambda: True
        for process in self._processes:
            if not process.has_ended:
                process.is_dead = True
                process.turn.release()
                self._main.acquire()
            process.thread.join()

    def wait(self, process: Process, seconds: float) -> None:
        """For the process that has the turn: it comes back when the time has passed."""
        self._at(self.now_s + seconds, process)
        if self._hand_on(process):
            process.turn.acquire()

    def ended(self, process: Process) -> None:
        """For the process that has the turn, and will not want it again."""
        self._hand_on()

    def _at(self, at_s: float, action: "Callable[[], None] | Process") -> None:
        self._number += 1
        heappush(self._due, _Due(at_s, self._number, action))

    def _hand_on(self, own: Process | None = None) -> bool:
        """Let happen what is due up to the next process's turn, and give it that turn; False where that is `own`."""
        try:
            while not self._is_over():
                self.happened += 1
                if self.happened > self._limit:
                    raise TooLong(f"more than {self._limit} steps, {self.now_s:.0f} s")
                due = heappop(self._due)
                self.now_s = max(self.now_s, due.at_s)
                if not isinstance(due.action, Process):
                    due.action()
                elif due.action.is_frozen and not due.action.is_dead:
                    self._at(due.action.frozen_until_s, due.action)
                elif due.action is own:
                    return False
                elif not due.action.has_ended:
                    due.action.turn.release()
                    return True
        except BaseException as failure:  # noqa: BLE001 - raised again by `run`, in its own thread
            self.fail(failure)
        self._main.release()
        return True


class SimulatedClock:
    """A process's clock (processor.clock.Clock)."""

    def __init__(self, process: Callable[[], Process]) -> None:
        self._process = process

    def now_ms(self) -> int:
        return self._process().schedule.now_ms

    def monotonic(self) -> float:
        return self._process().schedule.now_s

    def sleep(self, seconds: float) -> None:
        self._process().wait(seconds)
