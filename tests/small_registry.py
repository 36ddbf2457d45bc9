"""A schema registry of a few lines over HTTP: numbers for schemas, and schemas for numbers."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_UNKNOWN_ID = {"error_code": 40403, "message": "Schema not found"}


class SmallRegistry:
    """Listens on a port of 127.0.0.1 (0: a free one), in a thread. `schemas` are its numbers and texts, and may be changed."""

    def __init__(self, port: int = 0) -> None:
        self.schemas: dict[int, str] = {}
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = owner.schemas.get(int(self.path.split("?")[0].rsplit("/", 1)[-1]))
                self._reply(404 if text is None else 200, _UNKNOWN_ID if text is None else {"schema": text})

            def do_POST(self) -> None:
                given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._reply(200, {"id": owner.number_of(given["schema"]), "schema": given["schema"]})

            def _reply(self, status: int, content: object) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def number_of(self, text: str) -> int:
        """The number of a schema, a new one if need be."""
        known = next((number for number, each in self.schemas.items() if each == text), None)
        if known is None:
            known = max(self.schemas, default=0) + 1
            self.schemas[known] = text
        return known

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
