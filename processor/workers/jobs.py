"""The same work on several parts, in this process or side by side in processes of their own, with progress and an end at a signal."""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from typing import Any, TypeVar

from processor.detection.engine import TableFull
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.reading import ReadingFailed, ReadingStopped
from processor.workers.readiness import make_ready

Answer = TypeVar("Answer")
Progress = Callable[[int, int, int], None]
"""Told of a part: how much is done, of how much."""

_LOOK_EVERY_S = 0.1
_FOR_THE_PARENT = (signal.SIGINT, signal.SIGTERM)
"""It says when to stop."""


class _Shared:
    """What the processes and their parent tell each other."""

    done: "SynchronizedArray[int]"
    stop: "Synchronized[int]"


def side_by_side(
    work: Callable[..., Answer],
    tasks: Sequence[tuple[Any, ...]],
    jobs: int,
    should_stop: Callable[[], bool],
    progress: Progress,
) -> list[Answer]:
    """`work(*task, should_stop, progress)` for each task, up to `jobs` at a time; the answers in the order of the tasks.

    With one job, in this process. What one raises is raised, ReadingStopped after `should_stop`, ReadingFailed when a process was
    killed. Processes are not forked: a client of Kafka does not survive that.
    """
    if min(jobs, len(tasks)) <= 1:
        return [work(*task, should_stop, progress) for task in tasks]
    context = multiprocessing.get_context("spawn")
    done, stop = context.Array("q", 2 * len(tasks)), context.Value("b", 0)
    with ProcessPoolExecutor(min(jobs, len(tasks)), context, _begin, (done, stop)) as pool:
        # Processes begin with these signals held back, until they ignore them: one that comes while they load their modules would
        # end them with a traceback.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_PARENT)
        try:
            futures = [pool.submit(_run, work, number, task) for number, task in enumerate(tasks)]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        while wait(futures, _LOOK_EVERY_S).not_done:
            if should_stop():
                stop.value = 1
            for number in range(len(tasks)):
                progress(number, done[2 * number], done[2 * number + 1])
        try:
            answers = [future.result() for future in futures]
        except BrokenProcessPool:
            if should_stop():  # the signal was for all, and one of them was not ready to ignore it
                raise ReadingStopped from None
            killed = "one of the processes was killed, as the system does when memory runs out: try fewer --jobs"
            raise ReadingFailed(killed) from None
    for answer in answers:
        if isinstance(answer, _Raised):
            raise answer.error()
    return [answer for answer in answers if not isinstance(answer, _Raised)]


class _Raised:
    """An error on its way to the parent: one that is made of something else than its text does not survive that by itself."""

    def __init__(self, error: Exception) -> None:
        self._kind = type(error)
        self._text = str(error)

    def error(self) -> Exception:
        """The same kind of error with the same text."""
        error = self._kind.__new__(self._kind)
        Exception.__init__(error, self._text)
        return error


def _begin(done: "SynchronizedArray[int]", stop: "Synchronized[int]") -> None:
    for each in _FOR_THE_PARENT:
        signal.signal(each, signal.SIG_IGN)
    _Shared.done, _Shared.stop = done, stop
    make_ready()


def _run(work: Callable[..., Answer], number: int, task: tuple[Any, ...]) -> Answer | _Raised:
    def tell(_: int, done: int, total: int) -> None:
        _Shared.done[2 * number], _Shared.done[2 * number + 1] = done, total

    if _Shared.stop.value:
        raise ReadingStopped
    try:
        return work(*task, lambda: bool(_Shared.stop.value), tell)
    except (BrokerUnreachable, ReadingFailed, TableFull) as error:
        return _Raised(error)
