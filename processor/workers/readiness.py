"""A process made ready to decide on many records: kernels compiled or found in the cache, and garbage looked for rarely."""

import threading
import time
from collections.abc import Callable

import structlog

from processor.workers.garbage import look_rarely
from processor.workers.warming import warm

_log = structlog.get_logger(__name__)

_WORTH_SAYING_S = 1.0


def make_ready(say: Callable[[str], object] = _log.info) -> None:
    """Do now what would hold up whoever waits for this process later: the group it is a member of, or the user's first record.

    `say` is told where it takes long.
    """
    began_s = time.monotonic()
    word = threading.Timer(
        _WORTH_SAYING_S, say, ["making the kernels ready; where they have to be compiled, that takes some ten seconds"]
    )
    word.daemon = True
    word.start()
    try:
        warm()
    finally:
        word.cancel()
    took_s = time.monotonic() - began_s
    if took_s > _WORTH_SAYING_S:
        _log.info("kernels made ready; the next start finds them in the cache", seconds=round(took_s, 1))
    look_rarely()
