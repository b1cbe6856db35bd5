"""The six operations over MCP, by the official SDK: the same service, the same words as over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from llm_plugin import __version__
from llm_plugin.domain import to_jsonable
from llm_plugin.errors import LeanLlmError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from mcp.server import MCPServer

    from llm_plugin.service.core import ValidatorService

__all__ = ["create_mcp", "mount", "run_stdio"]

PATH = "/mcp"
INSTRUCTIONS = (
    "A validator of trading signals that learns from outcomes. Record how trades ended, look at similar trades and "
    "at the session, see how the tuning stands, start a retraining, go back to an earlier version."
)


def create_mcp(service: ValidatorService) -> MCPServer[Any]:
    """Return an MCP server with the six operations."""
    from mcp.server import MCPServer

    server: MCPServer[Any] = MCPServer("lean-llm", instructions=INSTRUCTIONS, version=__version__)
    operations = Operations(service)
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

    server = create_mcp(service)
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        max_request_body_size=service.settings.service.max_request_bytes,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    app.router.routes.extend(inner.routes)
    return server


def run_stdio(service: ValidatorService) -> None:
    """Serve MCP on standard input and output until the client closes it; nothing else is written there."""
    import anyio

    logging.getLogger("mcp").setLevel(logging.WARNING)
    server = create_mcp(service)
    service.start()
    try:
        anyio.run(server.run_stdio_async)
    finally:
        service.close()


class Operations:
    """The operations as tools. Each runs in a thread, so that none holds up another."""

    def __init__(self, service: ValidatorService) -> None:
        """Take the service that answers."""
        self._service = service

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
        from llm_plugin.service.routes import record_result
        from llm_plugin.service.schemas import ResultBody

        def call() -> dict[str, Any]:
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
            }
            if run_id is not None:
                given["run_id"] = run_id
            found: dict[str, Any] = to_jsonable(record_result(self._service, ResultBody.model_validate(given)))
            return found

        return _told(call)

    def get_context(self, signal: dict[str, Any], run_id: str | None = None) -> dict[str, Any]:
        """Return similar_trades and session_context for a signal: symbol, action, confidence, time_utc, features."""
        from llm_plugin.service.schemas import ContextQuestion

        def call() -> dict[str, Any]:
            given: dict[str, Any] = {"signal": signal}
            if run_id is not None:
                given["run_id"] = run_id
            return self._service.context(ContextQuestion.model_validate(given).report(datetime.now(UTC)))

        return _told(call)

    def trigger_retrain(self, force: bool = False, reason: str = "asked over MCP") -> dict[str, Any]:
        """Start a retraining cycle: started with a task id, insufficient_data with the count, or refused by name."""
        return _told(lambda: self._service.trigger_retrain(force=force, reason=reason))

    def get_tuning_stats(self) -> dict[str, Any]:
        """Return current version, buffer size, last retrain, win-rate change with its interval, next retrain."""
        return _told(self._service.stats)

    def lora_versions(self) -> dict[str, Any]:
        """Return all versions of the adapter, with stage and lineage, and which one serves."""
        return _told(self._service.versions)

    def rollback(self, version: str | None = None, reason: str = "asked over MCP") -> dict[str, Any]:
        """Let an earlier version serve again: a named one, or the previous one."""
        return _told(lambda: self._service.rollback(version, reason))


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
