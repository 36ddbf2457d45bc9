"""The same work on several parts, side by side in processes of their own, with progress and an end at a signal."""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from typing import Any, TypeVar

from processor.kafka.reading import ReadingStopped

Answer = TypeVar("Answer")
Progress = Callable[[int, int, int], None]
"""Told of a part: how much is done, of how much."""

_LOOK_EVERY_S = 0.1


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

    What one raises is raised, ReadingStopped after `should_stop`. Processes are not forked: a client of Kafka does not survive that.
    """
    context = multiprocessing.get_context("spawn")
    done, stop = context.Array("q", 2 * len(tasks)), context.Value("b", 0)
    with ProcessPoolExecutor(min(jobs, len(tasks)), context, _begin, (done, stop)) as pool:
        futures = [pool.submit(_run, work, number, task) for number, task in enumerate(tasks)]
        while wait(futures, _LOOK_EVERY_S).not_done:
            if should_stop():
                stop.value = 1
            for number in range(len(tasks)):
                progress(number, done[2 * number], done[2 * number + 1])
        return [future.result() for future in futures]


def _begin(done: "SynchronizedArray[int]", stop: "Synchronized[int]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which says when to stop
    _Shared.done, _Shared.stop = done, stop


def _run(work: Callable[..., Answer], number: int, task: tuple[Any, ...]) -> Answer:
    def tell(_: int, done: int, total: int) -> None:
        _Shared.done[2 * number], _Shared.done[2 * number + 1] = done, total

    if _Shared.stop.value:
        raise ReadingStopped
    return work(*task, lambda: bool(_Shared.stop.value), tell)
