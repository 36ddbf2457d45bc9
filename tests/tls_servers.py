"""A server that makes TLS handshakes, and nothing after them."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[str]:
    """Its address, HOST:PORT, while it is open."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=_serve, args=(listening, context), daemon=True)
        serving.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        serving.join(10)


def _serve(listening: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError):  # until it is shut down
        while True:
            connection, _ = listening.accept()
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                secured.settimeout(2)
                secured.recv(1000)
