"""What the plugin asks a Prefect server, over its HTTP API."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import Any

from llm_plugin.errors import BackendUnavailable

__all__ = ["PrefectApi"]

TIMEOUT_SECONDS = 10.0
PAGE = 200


class PrefectApi:
    """A Prefect server by its API address (`PREFECT_API_URL`, which ends in `/api`)."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout_seconds

    def healthy(self) -> bool:
        """True where the server answers."""
        try:
            return bool(self._ask("GET", "/health"))
        except BackendUnavailable:
            return False

    def deployments(self) -> dict[str, dict[str, Any]]:
        """Return the deployments by name."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self._ask("POST", "/deployments/filter", {"limit": PAGE, "offset": len(rows)})
            rows += page
            if len(page) < PAGE:
                return {row["name"]: row for row in rows}

    def workers(self, pool: str) -> list[dict[str, Any]]:
        """Return the workers of a pool, none where there is no such pool."""
        try:
            return list(self._ask("POST", f"/work_pools/{pool}/workers/filter", {}))
        except BackendUnavailable:
            return []

    def running(self, pool: str) -> list[dict[str, Any]]:
        """Return the flow runs of a pool that have begun and not ended."""
        states = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
        query = {"flow_runs": states, "work_pools": {"name": {"any_": [pool]}}, "limit": PAGE}
        return list(self._ask("POST", "/flow_runs/filter", query))

    def set_crashed(self, run_id: str, why: str) -> None:
        """End a run whose process is gone."""
        state = {"type": "CRASHED", "name": "Crashed", "message": why}
        self._ask("POST", f"/flow_runs/{run_id}/set_state", {"state": state, "force": True})

    def post_events(self, events: list[dict[str, Any]]) -> None:
        """Hand events over; the server knows each by its id."""
        self._ask("POST", "/events", events)

    def known_events(self, ids: list[str], since: str) -> set[str]:
        """Return which of these event ids the server has already, among those that occurred since a time."""
        query = {"filter": {"id": {"id": ids}, "occurred": {"since": since}}, "limit": min(len(ids), 50)}
        return {str(event["id"]) for event in self._ask("POST", "/events/filter", query)["events"]}

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        import httpx

        try:
            # Loopback and private servers: a proxy of the environment is not for them.
            with httpx.Client(timeout=self._timeout, trust_env=False) as client:
                answer = client.request(method, self.url + path, json=body, headers=self._headers())
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise BackendUnavailable(f"Prefect at {self.url} did not answer {method} {path}: {error}") from error
        return answer.json() if answer.content else None

    @staticmethod
    def _headers() -> dict[str, str]:
        key, login = os.environ.get("PREFECT_API_KEY"), os.environ.get("PREFECT_API_AUTH_STRING")
        if key:
            return {"Authorization": f"Bearer {key}"}
        return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
