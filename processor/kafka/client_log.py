"""What librdkafka logs, thinned: while a broker is away it says so some hundred times a minute."""

import logging
import re
import time
from collections.abc import Callable

_QUIET_S = 10.0


class Thinned(logging.Filter):
    """Lets one message of a kind through in ten seconds; the next one that passes says how many did not."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._told: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        kind = _kind(text)
        now_s = self._monotonic()
        last_s, left_out = self._told.get(kind, (now_s - _QUIET_S, 0))
        if now_s - last_s < _QUIET_S:
            self._told[kind] = (last_s, left_out + 1)
            return False
        self._told[kind] = (now_s, 0)
        if left_out:
            record.msg, record.args = f"{text} (and {left_out} like it before)", ()
        return True


def _kind(text: str) -> str:
    """The facility, or the error's name: "FAIL", "REQTMOUT", "_TRANSPORT:".

    "ERROR" is the client's name for all that it would tell its error function if it had one: a kind is then what was said in the
    end, without numbers. Else `brokers are down`, which operators are told to look for, would be left out after a refused connection.
    """
    facility = text.split(" ", 1)[0]
    return facility if facility != "ERROR" else re.sub("[0-9]+", "", text.rsplit(": ", 1)[-1])
