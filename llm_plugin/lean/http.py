"""One address, asked by JSON over a kept connection: time budget, retries, circuit breaker. Standard library only."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from llm_plugin.errors import BackendUnavailable, ConfigError

__all__ = ["Breaker", "JsonClient", "ServiceRefused"]

AGAIN = (429, 502, 503, 504)
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
LEAST_ATTEMPT_SECONDS = 0.05


class ServiceRefused(BackendUnavailable):
    """The service answered that it will not: asking again changes nothing."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        error = body.get("error", {})
        self.status = status
        self.kind = str(error.get("type", ""))
        self.field = error.get("field")
        self.told = str(error.get("message", "no reason was given"))
        super().__init__(f"the service refused ({status}): {self.told}")


class Breaker:
    """After so many failures in a row nobody asks for a while; then one question finds out, and the wait doubles."""

    def __init__(
        self,
        failures: int = 3,
        first_seconds: float = 2.0,
        longest_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start closed.

        Args:
            failures: In a row, before it opens.
            first_seconds: How long it stays open the first time.
            longest_seconds: The most that this doubles to.
            clock: Seconds that never go backwards.
        """
        self._limit = failures
        self._first = first_seconds
        self._longest = longest_seconds
        self._clock = clock
        self._failures = 0
        self._pause = first_seconds
        self._until = 0.0
        self.opened = 0

    @property
    def closed(self) -> bool:
        """Whether the service may be asked now."""
        return self._failures < self._limit or self._clock() >= self._until

    def succeeded(self) -> None:
        """Note an answer."""
        self._failures, self._pause = 0, self._first

    def failed(self) -> None:
        """Note that no answer came."""
        self._failures += 1
        if self._failures >= self._limit:
            self.opened += 1
            self._until = self._clock() + self._pause
            self._pause = min(self._longest, 2 * self._pause)


class JsonClient:
    """Requests to one service. Every one of them may be repeated: the service tells repetitions by their ids."""

    def __init__(
        self,
        url: str,
        key: str | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: `http://host:port`, or https.
            key: Sent with every request.
            clock: Seconds that never go backwards.
            sleep: Waits between two attempts.

        Raises:
            ConfigError: The address is none.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise ConfigError(f"validator.url is {url!r}: write http://HOST:PORT, as http://127.0.0.1:8900")
        self.url = url.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, port
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self.clock = clock
        self._sleep = sleep
        self._connection: http.client.HTTPConnection | None = None
        self.retries = 0

    def ask(self, method: str, path: str, body: Any, budget_seconds: float) -> dict[str, Any]:
        """Return the answer, whatever attempts it took within the budget.

        Raises:
            ServiceRefused: It said no.
            BackendUnavailable: No answer came in time.
        """
        data = None if body is None else json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        end = self.clock() + budget_seconds
        pause, cause = FIRST_PAUSE_SECONDS, "no time was left to ask"
        while (left := end - self.clock()) > 0:
            wait = pause
            try:
                status, headers, answer = self._once(method, path, data, max(left, LEAST_ATTEMPT_SECONDS))
            except (OSError, http.client.HTTPException) as error:
                self.disconnect()
                cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            else:
                if status < 300:
                    return answer
                if status not in AGAIN:
                    raise ServiceRefused(status, answer)
                cause = f"status {status}: {answer.get('error', {}).get('message', '')}"
                wait = max(pause, _seconds(headers.get("Retry-After")))
            if wait >= end - self.clock():
                break
            self._sleep(wait)
            self.retries += 1
            pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)
        raise BackendUnavailable(f"{self.url} did not answer within {budget_seconds:g} s ({cause})")

    def disconnect(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _once(self, method: str, path: str, data: bytes | None, seconds: float) -> tuple[int, Any, dict[str, Any]]:
        """Ask once; a kept connection that the other side has closed meanwhile is opened again, at once."""
        fresh = self._connection is None
        try:
            return self._send(method, path, data, seconds)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self.disconnect()
            if fresh:
                raise
            return self._send(method, path, data, seconds)

    def _send(self, method: str, path: str, data: bytes | None, seconds: float) -> tuple[int, Any, dict[str, Any]]:
        connection = self._open(seconds)
        connection.request(method, f"{self._prefix}{path}", data, self._headers)
        response = connection.getresponse()
        text = response.read()
        if response.will_close:
            self.disconnect()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {"error": {"message": text[:200].decode("utf-8", "replace")}}
        return response.status, response.headers, answer if isinstance(answer, dict) else {}

    def _open(self, seconds: float) -> http.client.HTTPConnection:
        if self._connection is None:
            if self._secure:
                context = ssl.create_default_context()
                self._connection = http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=context)
            else:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=seconds)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.timeout = seconds
        self._connection.sock.settimeout(seconds)
        return self._connection


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdigit() else 0.0
