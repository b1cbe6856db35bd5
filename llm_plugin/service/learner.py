"""What the service asks of the closed loop; `service.loop.Loop` is the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_plugin.domain import Decision, DecisionRequest, Outcome

__all__ = ["Learner"]


class Learner:
    """What the service asks of the closed loop; `service.loop.Loop` is the real one."""

    def start(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End; idempotent."""

    def answered(self, request: DecisionRequest, decision: Decision) -> None:
        """Note an answered question; returns at once."""

    def matured(self, outcome: Outcome) -> None:
        """Note a new outcome; returns at once."""

    def buffer_size(self) -> int:
        """Decisions with an outcome since the last training."""
        raise NotImplementedError

    def trigger_retrain(self, *, force: bool, reason: str) -> dict[str, Any]:
        """Start a cycle, or say why not."""
        raise NotImplementedError

    def rollback(self, version: str | None, reason: str) -> dict[str, Any]:
        """Let an earlier version serve again."""
        raise NotImplementedError

    def versions(self) -> dict[str, Any]:
        """Every version, and who serves."""
        raise NotImplementedError

    def stats(self) -> dict[str, Any]:
        """How the tuning stands."""
        raise NotImplementedError
