"""Answers that arrive piece by piece over HTTP, within a time that holds whatever the server does."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from llm_plugin.errors import BackendUnavailable
from llm_plugin.serving.http import JsonClient
from llm_plugin.strategies.models import RateLimited

__all__ = ["StreamingClient"]

LONGEST_LINE_BYTES = 4 << 20
LONGEST_ANSWER_BYTES = 32 << 20


class StreamingClient(JsonClient):
    """A `JsonClient` that also reads answers line by line."""

    def add_headers(self, headers: Mapping[str, str]) -> None:
        """Send these with every request."""
        self._headers.update(headers)

    @contextmanager
    def stream(
        self, path: str, body: Mapping[str, Any], *, piece_seconds: float, answer_seconds: float
    ) -> Iterator[tuple[str, Iterator[str]]]:
        """Post JSON; yield the answer's content type and its lines as they come.

        Args:
            path: Path on the server.
            body: The request.
            piece_seconds: Longest wait for the connection and for each next piece.
            answer_seconds: Longest time of the whole answer; at its end the connection is cut, whoever waits on it.

        Raises:
            BackendUnavailable: No answer, not in time, a busy or failing server.
            RateLimited: The server asks to wait.
            ServerRefused: The server said no.
        """
        deadline = time.monotonic() + answer_seconds
        connection = self._kind(*self._where, timeout=min(piece_seconds, answer_seconds))
        where = f"POST {self.url}{path}"
        expired = threading.Event()
        timer: threading.Timer | None = None
        try:
            try:
                connection.connect()
                timer = threading.Timer(max(0.01, deadline - time.monotonic()), _cut, args=(connection.sock, expired))
                timer.daemon = True
                timer.start()
                sent = {**self._headers, "Content-Type": "application/json", "Connection": "close"}
                connection.request("POST", self._path + path, body=json.dumps(body).encode(), headers=sent)
                answer = connection.getresponse()
                if answer.status >= 300:
                    self._refuse(path, answer)
            except (OSError, http.client.HTTPException) as error:
                raise BackendUnavailable(f"{where}: {_why(error, expired, answer_seconds, piece_seconds)}") from error
            yield answer.headers.get_content_type(), self._lines(where, answer, expired, answer_seconds, piece_seconds)
        finally:
            if timer is not None:
                timer.cancel()
            connection.close()

    def _refuse(self, path: str, answer: http.client.HTTPResponse) -> None:
        content = answer.read(1 << 20)
        if answer.status == http.client.TOO_MANY_REQUESTS:
            try:
                self._read("POST", path, answer.status, answer.headers.get_content_type(), content)
            except BackendUnavailable as error:
                raise RateLimited(str(error), _seconds(answer.headers.get("Retry-After"))) from error
        self._read("POST", path, max(400, answer.status), answer.headers.get_content_type(), content)

    def _lines(
        self,
        where: str,
        answer: http.client.HTTPResponse,
        expired: threading.Event,
        answer_seconds: float,
        piece_seconds: float,
    ) -> Iterator[str]:
        waiting, total = b"", 0
        while True:
            try:
                piece = answer.read1(1 << 16)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise BackendUnavailable(f"{where}: {_why(error, expired, answer_seconds, piece_seconds)}") from error
            if not piece:
                break
            total += len(piece)
            *lines, waiting = (waiting + piece).split(b"\n")
            if total > LONGEST_ANSWER_BYTES or len(waiting) > LONGEST_LINE_BYTES:
                raise BackendUnavailable(f"{where}: the answer does not end ({total:,} bytes so far); it was left")
            for line in lines:
                yield line.decode("utf-8", errors="replace").rstrip("\r")
        if expired.is_set():
            raise BackendUnavailable(f"{where}: no whole answer within {answer_seconds:g} s")
        if waiting:
            yield waiting.decode("utf-8", errors="replace")


def _cut(sock: socket.socket, expired: threading.Event) -> None:
    expired.set()
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _why(error: Exception, expired: threading.Event, answer_seconds: float, piece_seconds: float) -> str:
    if expired.is_set():
        return f"no whole answer within {answer_seconds:g} s"
    if isinstance(error, TimeoutError):
        return f"nothing came for {piece_seconds:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there; is the server running?"
    if isinstance(error, http.client.IncompleteRead | http.client.RemoteDisconnected | ConnectionResetError):
        return "the server dropped the connection"
    return str(error) or type(error).__name__


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
