"""What every request passes first: key, host, size, rate, count. Plain ASGI, so that it costs little and streams."""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_plugin.service.metrics import Metrics

__all__ = ["Gatekeeper", "RateLimit"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Clock = Callable[[], float]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
OPEN_PATHS = ("/healthz", "/readyz")
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]", "testserver")


class RateLimit:
    """A bucket per client: it holds a minute's worth of requests and fills evenly."""

    def __init__(self, per_minute: int, clock: Clock = time.monotonic, most_clients: int = 10_000) -> None:
        """Start with full buckets.

        Args:
            per_minute: Requests per client.
            clock: Seconds that never go backwards.
            most_clients: Clients remembered; the one unseen for longest is forgotten.
        """
        self._rate = per_minute / 60
        self._room = float(per_minute)
        self._clock = clock
        self._most = most_clients
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_seconds(self, client: str) -> float:
        """Take one request from a client's bucket; return 0, or how long until there is one again."""
        with self._lock:
            now = self._clock()
            left, seen = self._buckets.pop(client, (self._room, now))
            left = min(self._room, left + (now - seen) * self._rate)
            short = max(0.0, 1.0 - left)
            self._buckets[client] = (left - 1.0 if short == 0 else left, now)
            while len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        return short / self._rate


class Gatekeeper:
    """Lets a request in or answers it: 401 key, 403 host, 413 size, 429 rate, 503 while shutting down."""

    def __init__(
        self,
        application: Application,
        *,
        key: str | None,
        max_bytes: int,
        rate: RateLimit,
        metrics: Metrics,
        draining: Callable[[], bool],
    ) -> None:
        """Wrap an application.

        Args:
            application: Who answers.
            key: What clients send as `Authorization: Bearer KEY` or `X-API-Key`; None asks for none and answers
                requests to a loopback name only, so that no web page can reach the service through a browser.
            max_bytes: Largest body.
            rate: Requests per client.
            metrics: Counters.
            draining: Whether the service is shutting down.
        """
        self._application = application
        self._key = None if key is None else key.encode()
        self._max_bytes = max_bytes
        self._rate = rate
        self._metrics = metrics
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await self._count(scope, send, lambda counted: _answer(counted, *refusal))
            return
        limited = _Limited(receive, self._max_bytes)
        await self._count(scope, send, lambda counted: self._serve(scope, limited, counted))

    async def _serve(self, scope: Scope, limited: _Limited, send: Send) -> None:
        answered = False

        async def checked(message: Message) -> None:
            nonlocal answered
            if not limited.exceeded:
                await send(message)
            elif not answered:
                answered = True
                await _answer(send, *self._too_large())

        await self._application(scope, limited, checked)

    async def _count(self, scope: Scope, send: Send, serve: Callable[[Send], Awaitable[None]]) -> None:
        started, status = time.perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await serve(counted)
        finally:
            self._metrics.in_flight.dec()
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(time.perf_counter() - started)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str, str, dict[str, str]] | None:
        if scope["path"] in OPEN_PATHS:
            return None
        client = str((scope.get("client") or ("unknown",))[0])
        wait = self._rate.wait_seconds(client)
        if wait > 0:
            seconds = str(max(1, round(wait + 0.5)))
            return (
                429,
                "TooManyRequests",
                f"more than service.requests_per_minute; wait {seconds} s",
                {"Retry-After": seconds},
            )
        refusal = self._not_admitted(headers)
        if refusal is not None:
            return refusal
        if self._draining():
            return 503, "ShuttingDown", "the service is shutting down; ask again in a moment", {"Retry-After": "1"}
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._max_bytes:
            return self._too_large()
        return None

    def _not_admitted(self, headers: dict[bytes, bytes]) -> tuple[int, str, str, dict[str, str]] | None:
        if self._key is None:
            host = headers.get(b"host", b"").decode("latin-1").lower()
            name = host if host.endswith("]") else host.rsplit(":", 1)[0]
            if name in LOOPBACK_NAMES:
                return None
            return 403, "ForeignHost", f"host {host!r} is no loopback name: set service.api_key to be reached by it", {}
        given = headers.get(b"x-api-key", b"")
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            given = token.strip()
        if hmac.compare_digest(given, self._key):
            return None
        wrong = "the key is wrong" if given else "no key was sent"
        text = f"{wrong}: send `Authorization: Bearer KEY` (service.api_key)"
        return 401, "Unauthorized", text, {"WWW-Authenticate": "Bearer"}

    def _too_large(self) -> tuple[int, str, str, dict[str, str]]:
        return 413, "TooLarge", f"the body is larger than service.max_request_bytes ({self._max_bytes})", {}


class _Limited:
    """Counts what is read of a body, for one that came without its length; the application gets no more of it."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._left = max_bytes
        self.exceeded = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.exceeded = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return message


async def _answer(send: Send, status: int, kind: str, text: str, headers: dict[str, str]) -> None:
    body = json.dumps({"error": {"type": kind, "message": text}}).encode()
    told = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in told.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
