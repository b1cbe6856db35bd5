"""JSON over HTTP with the standard library: connections are kept and shared, one error per kind of trouble."""

from __future__ import annotations

import http.client
import json
import weakref
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llm_plugin.errors import BackendUnavailable, ConfigError, ModelError

__all__ = ["JsonClient", "ServerRefused"]

_BUSY = {408, 425, 429}


class ServerRefused(ModelError):
    """The server understood the request and said no."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


class JsonClient:
    """Asks one server."""

    def __init__(self, url: str, *, timeout_seconds: float = 10.0, api_key: str | None = None) -> None:
        """Connect lazily.

        Args:
            url: Address of the server, with a path prefix where it has one.
            timeout_seconds: Longest wait for a connection, and for each part of an answer.
            api_key: Sent as a bearer token.

        Raises:
            ConfigError: No http or https address.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"llm_model.server.url {url!r} is no address; write http://host:port")
        self.url = url.rstrip("/")
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._where = (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        self._path = parts.path.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._headers = {"Accept": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._idle: deque[http.client.HTTPConnection] = deque()  # pop and append are atomic: any thread may take one
        self._closing = weakref.finalize(self, _close_all, self._idle)

    def close(self) -> None:
        """Close the kept connections; the next request opens one again."""
        _close_all(self._idle)

    def get(self, path: str) -> Any:
        """Return the parsed answer.

        Raises:
            BackendUnavailable: No answer, a busy or failing server, or no JSON.
            ServerRefused: The server said no.
        """
        return self.request("GET", path)

    def post(self, path: str, body: Mapping[str, Any], *, timeout_seconds: float | None = None) -> Any:
        """Send JSON and return the parsed answer; a text answer comes back as text.

        Raises:
            BackendUnavailable: See `get`.
            ServerRefused: See `get`.
        """
        return self.request("POST", path, json.dumps(body).encode(), timeout_seconds=timeout_seconds)

    def post_file(self, path: str, file: Path) -> Any:
        """Send a file's bytes as they are.

        Raises:
            BackendUnavailable: See `get`.
            ServerRefused: See `get`.
        """
        size = str(file.stat().st_size)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": size}
        with file.open("rb") as stream:
            return self.request("POST", path, stream, headers=headers)

    def exists(self, path: str) -> bool:
        """Whether HEAD finds it.

        Raises:
            BackendUnavailable: See `get`.
        """
        try:
            self.request("HEAD", path)
        except ServerRefused as error:
            if error.status == http.client.NOT_FOUND:
                return False
            raise
        return True

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> Any:
        """Send one request; a kept connection that the server has closed meanwhile is opened again, once.

        Raises:
            BackendUnavailable: See `get`.
            ServerRefused: See `get`.
        """
        sent = {
            **self._headers,
            **({"Content-Type": "application/json"} if body is not None else {}),
            **(headers or {}),
        }
        wait = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        try:
            status, kind, content = self._exchange(method, path, body, sent, wait)
        except (OSError, http.client.HTTPException) as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise BackendUnavailable(f"{method} {self.url}{path}: {why}; is the server running?") from error
        return self._read(method, path, status, kind, content)

    def _exchange(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], wait: float
    ) -> tuple[int, str, bytes]:
        while True:
            connection, kept = self._take(wait)
            try:
                connection.request(method, self._path + path, body=body, headers=dict(headers))
                answer = connection.getresponse()
                found = answer.status, answer.headers.get_content_type(), answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                connection.close()
                if not kept or not isinstance(body, bytes | None):
                    raise
            except (OSError, http.client.HTTPException):
                connection.close()
                raise
            else:
                self._idle.append(connection)
                return found

    def _take(self, wait: float) -> tuple[http.client.HTTPConnection, bool]:
        """Return a kept connection, which the server may have closed meanwhile, or a new one."""
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._kind(*self._where, timeout=wait), False
        connection.timeout = wait
        if connection.sock is not None:
            connection.sock.settimeout(wait)
        return connection, True

    def _read(self, method: str, path: str, status: int, kind: str, content: bytes) -> Any:
        data: Any = content.decode(errors="replace")
        if kind == "application/json" or data[:1] in ("{", "["):
            try:
                data = json.loads(content) if content else {}
            except ValueError as error:
                if status < 400:
                    raise BackendUnavailable(f"{method} {self.url}{path}: the answer is no JSON ({error})") from error
        if status < 400:
            return data
        text = _message(data)
        if status >= 500 or status in _BUSY:
            raise BackendUnavailable(f"{method} {self.url}{path}: {status} {text}")
        raise ServerRefused(f"{method} {self.url}{path}: {status} {text}", status)


def _close_all(idle: deque[http.client.HTTPConnection]) -> None:
    while idle:
        idle.pop().close()


def _message(data: Any) -> str:
    """The server's own words, whatever their place."""
    if isinstance(data, Mapping):
        found = data.get("error", data.get("message", data.get("detail", data)))
        return _message(found) if isinstance(found, Mapping) and found is not data else str(found)[:500]
    return str(data).strip()[:500]
