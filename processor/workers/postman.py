"""The thread in which mails are delivered, many at a time, while the main thread keeps to Kafka."""

import asyncio
import queue
import threading
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any, Protocol

import structlog

from processor.notification.message import Envelope
from processor.notification.outgoing import Errand
from processor.notification.results import Deferred, Phase, Result

_log = structlog.get_logger(__name__)

Outcome = tuple[Errand, Result | None]
"""An errand that ended and with what; None: broken off by `cancel`, and nobody knows how far it got."""


class Carrier(Protocol):
    """How a mail leaves: processor.smtp's Relay or Outbox."""

    def deliver(self, envelope: Envelope) -> Coroutine[Any, Any, Result]: ...
    async def close(self) -> None: ...


class Postman:
    """Delivers what it is given and puts each outcome into a queue. `send`, `cancel` and `close` are the main thread's."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._tasks: dict[Errand, asyncio.Task[Result]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="postman", daemon=True)
        self._thread.start()

    def send(self, errand: Errand, envelope: Envelope) -> None:
        """Starts at once; the caller sees to it that not too much is under way."""
        self._loop.call_soon_threadsafe(self._start, errand, envelope)

    def outcomes(self, wait_s: float = 0.0) -> list[Outcome]:
        """What has ended since it was last asked; waits up to `wait_s` for the first."""
        ended: list[Outcome] = []
        try:
            ended.append(self._outcomes.get(timeout=wait_s) if wait_s > 0 else self._outcomes.get_nowait())
            while True:
                ended.append(self._outcomes.get_nowait())
        except queue.Empty:
            return ended

    def cancel(self, errands: Iterable[Errand]) -> None:
        """Breaks deliveries off; each of them has an outcome, None or, if it was quicker, its result."""
        self._loop.call_soon_threadsafe(self._cancel, list(errands))

    def close(self) -> None:
        """Ends the kept connections, breaks off what is under way, and the thread. The postman is of no more use."""
        ended = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        try:
            ended.result(10.0)
        except TimeoutError:
            _log.warning("connections to the mail server did not end in time")
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        if not self._thread.is_alive():
            self._loop.close()

    # -- in the thread ----------------------------------------------------------------------------------------------

    def _start(self, errand: Errand, envelope: Envelope) -> None:
        task = self._loop.create_task(self._carrier.deliver(envelope))
        self._tasks[errand] = task
        # Not a `finally` in the task itself: one that is cancelled before its first step never gets there.
        task.add_done_callback(partial(self._ended, errand))

    def _cancel(self, errands: list[Errand]) -> None:
        for errand in errands:
            if errand in self._tasks:
                self._tasks[errand].cancel()

    def _ended(self, errand: Errand, task: asyncio.Task[Result]) -> None:
        del self._tasks[errand]
        self._outcomes.put((errand, _result_of(errand, task)))

    async def _end(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._carrier.close()


def _result_of(errand: Errand, task: asyncio.Task[Result]) -> Result | None:
    if task.cancelled():
        return None
    fault = task.exception()
    if fault is None:
        return task.result()
    # A fault of ours costs an attempt, never the mail or the thread.
    _log.error("a delivery failed in an unexpected way", recipient=errand.recipient, exc_info=fault)
    return Deferred(Phase.RENDER, f"unexpected: {fault!r}")
