"""The six operations over MCP, by the official SDK: the same service, the same words as over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from llm_plugin import __version__
from llm_plugin.errors import LeanLlmError
from llm_plugin.service.calls import Calls, LocalCalls, RemoteCalls

if TYPE_CHECKING:
    from fastapi import FastAPI
    from mcp.server import MCPServer

    from llm_plugin.service.core import ValidatorService
    from llm_plugin.settings import Settings

__all__ = ["create_mcp", "mount", "run_stdio", "running_service"]

PATH = "/mcp"
LOOK_SECONDS = 1.0
INSTRUCTIONS = (
    "A validator of trading signals that learns from outcomes. Record how trades ended, look at similar trades and "
    "at the session, see how the tuning stands, start a retraining, go back to an earlier version."
)


def create_mcp(calls: Calls) -> MCPServer[Any]:
    """Return an MCP server with the six operations."""
    from mcp.server import MCPServer

    server: MCPServer[Any] = MCPServer("lean-llm", instructions=INSTRUCTIONS, version=__version__)
    operations = Operations(calls)
    for tool in (
        operations.record_outcome,
        operations.get_context,
        operations.trigger_retrain,
        operations.get_tuning_stats,
        operations.lora_versions,
        operations.rollback,
    ):
        server.add_tool(tool)
    return server


def mount(app: FastAPI, service: ValidatorService) -> MCPServer[Any]:
    """Serve MCP by streamable HTTP under `/mcp`, behind the same key, host, size and rate checks as everything else."""
    from mcp.server.transport_security import TransportSecuritySettings

    server = create_mcp(LocalCalls(service))
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        max_request_body_size=service.settings.service.max_request_bytes,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    app.router.routes.extend(inner.routes)
    return server


def run_stdio(settings: Settings) -> None:
    """Serve MCP on standard input and output until the client closes it; nothing else is written there.

    Where a service runs at `service.host` and `service.port` already, it answers: there is one memory and one session.
    Else this process is the service.
    """
    import anyio

    logging.getLogger("mcp").setLevel(logging.WARNING)
    remote = running_service(settings)
    if remote is not None:
        anyio.run(create_mcp(remote).run_stdio_async)
        return
    from llm_plugin.service.build import open_service

    service = open_service(settings)
    service.start()
    try:
        anyio.run(create_mcp(LocalCalls(service)).run_stdio_async)
    finally:
        service.close()


def running_service(settings: Settings) -> RemoteCalls | None:
    """Return the service that runs at the configured address, None where nobody answers there.

    Raises:
        ConfigError: One does, and refuses the key.
    """
    from llm_plugin.errors import BackendUnavailable, ConfigError
    from llm_plugin.lean.http import JsonClient, ServiceRefused

    wanted = settings.service
    if wanted.port == 0:
        return None
    host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
    key = None if wanted.api_key is None else wanted.api_key.get_secret_value()
    client = JsonClient(f"http://{host}:{wanted.port}", key)
    try:
        client.ask("GET", "/v1/versions", None, LOOK_SECONDS)
    except ServiceRefused as error:
        raise ConfigError(
            f"service.api_key: {client.url} refuses it ({error.told}): set it to that service's"
        ) from error
    except BackendUnavailable:
        return None
    logging.getLogger("llm_plugin.service").info("the service at %s answers", client.url)
    return RemoteCalls(client)


class Operations:
    """The operations as tools. Each runs in a thread, so that none holds up another."""

    def __init__(self, calls: Calls) -> None:
        """Take who answers."""
        self._calls = calls

    def record_outcome(
        self,
        symbol: str,
        signal: Literal["BUY", "SELL"],
        ml_confidence: float,
        llm_reasoning: str,
        llm_decision: str,
        actual_outcome: str,
        pnl: float,
        timestamp: str,
        decision_id: str | None = None,
        run_id: str | None = None,
        r_multiple: float | None = None,
    ) -> dict[str, Any]:
        """Record how a trade ended. Without decision_id it feeds memory and session only, never training.

        timestamp is when the trade ended, ISO 8601 with a zone; pnl is net, in account currency; actual_outcome is
        stop, target, timeout or a word of your own. Returns status (recorded or duplicate) and buffer_size.
        """
        given: dict[str, Any] = {
            "symbol": symbol,
            "signal": signal,
            "ml_confidence": ml_confidence,
            "llm_reasoning": llm_reasoning,
            "llm_decision": llm_decision,
            "actual_outcome": actual_outcome,
            "pnl": pnl,
            "timestamp": timestamp,
            "decision_id": decision_id,
            "r_multiple": r_multiple,
            **({} if run_id is None else {"run_id": run_id}),
        }
        return _told(lambda: self._calls.record_outcome(given))

    def get_context(self, signal: dict[str, Any], run_id: str | None = None) -> dict[str, Any]:
        """Return similar_trades and session_context for a signal: symbol, action, confidence, time_utc, features."""
        given = {"signal": signal, **({} if run_id is None else {"run_id": run_id})}
        return _told(lambda: self._calls.get_context(given))

    def trigger_retrain(self, force: bool = False, reason: str = "asked over MCP") -> dict[str, Any]:
        """Start a retraining cycle: started with a task id, insufficient_data with the count, or refused by name."""
        return _told(lambda: self._calls.trigger_retrain({"force": force, "reason": reason}))

    def get_tuning_stats(self) -> dict[str, Any]:
        """Return current version, buffer size, last retrain, win-rate change with its interval, next retrain."""
        return _told(self._calls.get_tuning_stats)

    def lora_versions(self) -> dict[str, Any]:
        """Return all versions of the adapter, with stage and lineage, and which one serves."""
        return _told(self._calls.lora_versions)

    def rollback(self, version: str | None = None, reason: str = "asked over MCP") -> dict[str, Any]:
        """Let an earlier version serve again: a named one, or the previous one."""
        return _told(lambda: self._calls.rollback({"version": version, "reason": reason}))


def _told(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """An error that was foreseen reaches the model as its own words."""
    from mcp.server.mcpserver.exceptions import ToolError

    try:
        return call()
    except ValidationError as error:
        first = error.errors()[0]
        raise ToolError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except LeanLlmError as error:
        raise ToolError(f"{type(error).__name__}: {error}") from error
