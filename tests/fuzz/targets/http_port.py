"""The port of metrics and health: whatever one client says, the next is answered, and what is kept open stays bounded."""

import socket
import threading
from collections import deque
from contextlib import suppress
from functools import lru_cache

from processor.http_port import MOST_AT_ONCE, REQUEST_MAX_BYTES
from processor.telemetry import Health, Metrics
from tests.fuzz.target import Target
from tests.http_client import said

_SILENT = 3 * MOST_AT_ONCE
_OWN_THREADS = 4


@lru_cache
def _port() -> int:
    return Health(Metrics()).serve("127.0.0.1", 0)


@lru_cache
def _silent() -> deque[socket.socket]:
    """Clients who have begun to ask and say no more."""
    return deque(maxlen=_SILENT)


def _check(request: bytes) -> str:
    port = _port()
    silent = socket.create_connection(("127.0.0.1", port), 20)
    with suppress(ConnectionError):  # hung up on already
        silent.send(request[: len(request) // 2] or b"G")
    if len(_silent()) == _SILENT:
        _silent()[0].close()
    _silent().append(silent)
    answer = said(port, request)
    assert len(answer) < 10 * REQUEST_MAX_BYTES
    # A probe may come while the one before it is hung up on: it asks again, as probes do.
    assert any(said(port, b"GET /livez HTTP/1.0\r\n\r\n").endswith(b"ok\n") for _ in range(3)), (
        "others are not answered"
    )
    # Those hung up on take a moment to end.
    assert threading.active_count() < 4 * MOST_AT_ONCE + _OWN_THREADS, "threads without bound"
    return answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.0 ") else "no status"


TARGETS = (
    Target(
        "http-port",
        "whatever a client says or does not say, the next one is answered, and threads stay bounded",
        _check,
        lambda: [b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: x\r\n\r\n", b"GET /r?x\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"],
        words=(b"\r\n", b"\r\n\r\n", b"HTTP/9.9", b"GET / HTTP/1.1\r\n\r\n", b"a: b\r\n" * 200, b"x" * 20_000, b"Content-Length: -1\r\n",
               b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"//", b"%00", b"\xff", b"\x00", b"\x16\x03\x01"),
        longest=70_000,
        limit_s=10,
        memory_mb=300,
    ),
)  # fmt: skip
