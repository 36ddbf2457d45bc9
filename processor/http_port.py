"""A small HTTP port that answers GET, and that nobody can fill up: probes and metrics for whoever is near enough to reach it.

A client has a moment to ask and to take the answer, and a request of a few kilobytes. So many are served at once; where one more
comes, the one that has been there longest is hung up on: an honest probe asks at once and is answered within milliseconds.
"""

import io
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

Answer = Callable[[str], tuple[HTTPStatus, str, bytes]]
"""Status, content type and body for a path."""

MOST_AT_ONCE = 32
PATIENCE_S = 5.0
"""From being connected to having taken the answer."""
REQUEST_MAX_BYTES = 16 * 1024
_LOOK_EVERY_S = 0.2


class Port(ThreadingHTTPServer):
    """Serves from a thread of its own between `begin` and `end`. Raises OSError where the address cannot be had."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: str, port: int, answer: Answer) -> None:
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__((address, port), _handler(answer))

    @property
    def number(self) -> int:
        """The port's number."""
        return int(self.server_address[1])

    def begin(self) -> None:
        """Answer from now on."""
        threading.Thread(target=self.serve_forever, args=(_LOOK_EVERY_S,), name="health", daemon=True).start()

    def end(self) -> None:
        """Stop answering, and hang up."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in list(self._open):
                self._hang_up(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            while len(self._open) >= MOST_AT_ONCE:
                self._hang_up(next(iter(self._open)))  # in the order in which they came
            self._open[request] = time.monotonic() + PATIENCE_S
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no more threads in this process
            self.shutdown_request(request)

    def service_actions(self) -> None:
        """Called between two looks for clients: whoever takes too long is hung up on."""
        now = time.monotonic()
        with self._lock:
            for connection in [each for each, until in self._open.items() if until < now]:
                self._hang_up(connection)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def _hang_up(self, connection: socket.socket) -> None:
        """Its thread, which waits for this client, wakes and ends."""
        self._open.pop(connection, None)
        with suppress(OSError):  # the client was quicker
            connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class calls it so
        """A client that hung up, or was hung up on, is not worth a word; a fault of our own is."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            logging.getLogger(__name__).exception("a request could not be answered")  # noqa: LOG004 - called in one


class _AtMost(io.RawIOBase):
    """The first bytes that a client sends; after them it has nothing more to say."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._left = REQUEST_MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: self._left]
        count = self._connection.recv_into(view) if view else 0
        self._left -= count
        return count


def _handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "senderwatch"
        sys_version = ""

        def setup(self) -> None:
            super().setup()
            self.rfile = io.BufferedReader(_AtMost(cast("socket.socket", self.connection)))

        def do_GET(self) -> None:
            status, content_type, body = answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Probes come every few seconds: not worth a line each."""

    return Handler
