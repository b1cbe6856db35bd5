"""The three addresses of Prefect's API that deliver events, in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Standin(ThreadingHTTPServer):
    """Keeps events; `broken` answers posts with 500."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: list[dict[str, Any]] = []
        self.broken = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api"

    def handle_error(self, *_: Any) -> None:
        """Stay silent about clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: Standin

    def do_GET(self) -> None:
        self._answer(200, True)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.broken:
            self._answer(500, {"detail": "database is locked"})
        elif self.path == "/api/events":
            self.server.events += body
            self._answer(204, None)
        else:
            wanted = set(body["filter"]["id"]["id"])
            self._answer(200, {"events": [row for row in self.server.events if row["id"] in wanted]})

    def _answer(self, code: int, body: Any) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@contextmanager
def prefect_standin() -> Iterator[Standin]:
    """Run one for a while."""
    server = Standin()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
