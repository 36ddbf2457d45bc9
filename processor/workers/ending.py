"""An end that comes: a worker whose clients do not let go of it is ended by force."""

import faulthandler
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

_log = structlog.get_logger(__name__)

_STDERR = 2
_LIMIT_S = 60.0
"""To leave the group and close the clients: less than a second, where brokers are away as long as a last transaction. systemd's own
limit is 90 s."""


@contextmanager
def ending_in_time(limit_s: float = _LIMIT_S) -> Iterator[None]:
    """What is done within ends by itself, or this process with it: status 0, or 1 where an error is on its way out.

    To leave a group librdkafka (2.16) waits without a limit. In a fault campaign (seed 22) one worker in some hundreds was still
    there two minutes after it had been told to stop, with nothing left to commit; and who has not left while his client still
    speaks to the group keeps partitions from the others.
    """
    status = 0 if sys.exc_info()[0] is None else 1
    timer = threading.Timer(limit_s, _by_force, [limit_s, status])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _by_force(limit_s: float, status: int) -> None:
    _log.error("the client library does not end: ended by force, with where each thread was", after_s=limit_s)
    sys.stdout.flush()
    faulthandler.dump_traceback(file=_STDERR, all_threads=True)
    os._exit(status)
