"""Runs the application: sockets, signals, and a shutdown that lets every request in progress end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn

from llm_plugin.service.app import create_app

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import FrameType

    from llm_plugin.service.core import ValidatorService

__all__ = ["make_server", "run_server"]

DRAIN_SECONDS = 30
KEEP_ALIVE_SECONDS = 75
SWITCH_SECONDS = 0.0005
"""Many threads hand short pieces of work to each other: none of them waits for a whole default interval of 5 ms."""


def run_server(
    service: ValidatorService, sockets: list[socket.socket], on_ready: Callable[[list[str]], None] | None = None
) -> None:
    """Serve until a signal; requests in progress end first, new ones are told to come back.

    Args:
        service: What answers.
        sockets: Where it listens.
        on_ready: Told the addresses once questions can be answered.
    """
    import signal
    import sys

    sys.setswitchinterval(SWITCH_SECONDS)
    # uvicorn raises the signal again once it has ended in order; that would make an orderly end look like a kill.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    make_server(service, on_ready).run(sockets=sockets)


def make_server(service: ValidatorService, on_ready: Callable[[list[str]], None] | None = None) -> uvicorn.Server:
    """Return the server; `run(sockets=...)` serves until `should_exit` is set or a signal comes."""
    config = uvicorn.Config(
        create_app(service),
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
    )
    return _Server(config, service, on_ready)


class _Server(uvicorn.Server):
    """Says that it is ready, and that it is shutting down as soon as it is asked to."""

    def __init__(
        self, config: uvicorn.Config, service: ValidatorService, on_ready: Callable[[list[str]], None] | None
    ) -> None:
        super().__init__(config)
        self._service = service
        self._on_ready = on_ready

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Refuse new requests on open connections from now on."""
        self._service.draining = True
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            self._on_ready([_url(server) for server in sockets or []])


def _url(server: socket.socket) -> str:
    host, port = server.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
