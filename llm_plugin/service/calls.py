"""The six operations as calls with JSON bodies: of a service in this process, or of one that runs elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from llm_plugin.domain import to_jsonable

if TYPE_CHECKING:
    from llm_plugin.lean.http import JsonClient
    from llm_plugin.service.core import ValidatorService

__all__ = ["Calls", "LocalCalls", "RemoteCalls"]

Body = Mapping[str, Any]
ANSWER_SECONDS = 60.0


class Calls(Protocol):
    """What MCP needs; bodies and answers are those of the HTTP routes."""

    def record_outcome(self, body: Body) -> dict[str, Any]:
        """`POST /v1/outcomes`."""

    def get_context(self, body: Body) -> dict[str, Any]:
        """`POST /v1/context`."""

    def trigger_retrain(self, body: Body) -> dict[str, Any]:
        """`POST /v1/retrain`."""

    def get_tuning_stats(self) -> dict[str, Any]:
        """`GET /v1/stats`."""

    def lora_versions(self) -> dict[str, Any]:
        """`GET /v1/versions`."""

    def rollback(self, body: Body) -> dict[str, Any]:
        """`POST /v1/rollback`."""


class LocalCalls:
    """A service in this process."""

    def __init__(self, service: ValidatorService) -> None:
        """Take who answers."""
        self._service = service

    def record_outcome(self, body: Body) -> dict[str, Any]:
        """Record how a trade ended."""
        from llm_plugin.service.schemas import ResultBody

        given = ResultBody.model_validate(body)
        if given.decision_id is None:
            recorded = self._service.report(given.report())
        else:
            recorded = self._service.record_result(given.decision_id, given.result())
        found: dict[str, Any] = to_jsonable(recorded)
        return found

    def get_context(self, body: Body) -> dict[str, Any]:
        """Return similar trades and the session."""
        from llm_plugin.service.schemas import ContextQuestion

        return self._service.context(ContextQuestion.model_validate(body).report(datetime.now(UTC)))

    def trigger_retrain(self, body: Body) -> dict[str, Any]:
        """Start a cycle."""
        from llm_plugin.service.schemas import RetrainBody

        given = RetrainBody.model_validate(body)
        return self._service.trigger_retrain(force=given.force, reason=given.reason)

    def get_tuning_stats(self) -> dict[str, Any]:
        """Return how the tuning stands."""
        return self._service.stats()

    def lora_versions(self) -> dict[str, Any]:
        """Return every version."""
        return self._service.versions()

    def rollback(self, body: Body) -> dict[str, Any]:
        """Go back to an earlier version."""
        from llm_plugin.service.schemas import RollbackBody

        given = RollbackBody.model_validate(body)
        return self._service.rollback(given.version, given.reason)


class RemoteCalls:
    """A service by its address."""

    def __init__(self, client: JsonClient) -> None:
        """Take the connection; one call at a time uses it."""
        self._client = client
        self._lock = threading.Lock()

    def record_outcome(self, body: Body) -> dict[str, Any]:
        """Record how a trade ended."""
        return self._ask("POST", "/v1/outcomes", body)

    def get_context(self, body: Body) -> dict[str, Any]:
        """Return similar trades and the session."""
        return self._ask("POST", "/v1/context", body)

    def trigger_retrain(self, body: Body) -> dict[str, Any]:
        """Start a cycle."""
        return self._ask("POST", "/v1/retrain", body)

    def get_tuning_stats(self) -> dict[str, Any]:
        """Return how the tuning stands."""
        return self._ask("GET", "/v1/stats", None)

    def lora_versions(self) -> dict[str, Any]:
        """Return every version."""
        return self._ask("GET", "/v1/versions", None)

    def rollback(self, body: Body) -> dict[str, Any]:
        """Go back to an earlier version."""
        return self._ask("POST", "/v1/rollback", body)

    def _ask(self, method: str, path: str, body: Body | None) -> dict[str, Any]:
        with self._lock:
            return self._client.ask(method, path, body, ANSWER_SECONDS)
