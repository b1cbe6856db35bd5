"""A server that misbehaves as told: fails, hangs, hangs up, says nonsense; it writes down what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["FaultyServer"]

Script = Callable[[str, Any], tuple[int, Any] | str]


class FaultyServer:
    """Answers by a script: `(status, body)`, `hang`, `drop` or `nonsense`."""

    def __init__(self, script: Script) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                outer.asked.append((self.path, body))
                outer.headers.append(dict(self.headers))
                answer = script(self.path, body)
                if answer == "hang":
                    time.sleep(1.0)
                    self.close_connection = True
                elif answer == "drop":
                    self.close_connection = True
                elif answer == "nonsense":
                    self._send(200, b"<html>")
                else:
                    status, told = answer
                    self._send(status, json.dumps(told).encode())

            do_GET = do_POST

            def _send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if status == 429:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
