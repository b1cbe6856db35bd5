"""Errors of the service's callers, and how every error of the package is told over HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from llm_plugin.errors import (
    ConfigError,
    DataError,
    InsufficientData,
    LeanLlmError,
    LeaseHeld,
    ModelError,
    RetryableError,
)

__all__ = ["Conflict", "Refused", "UnknownDecision", "UnknownVersion", "refusal_of"]

RETRY_SECONDS = 1
_FIELD = re.compile(r"^([a-z_]+(?:\.[a-z_0-9]+)*)\s*[:=]")


class Refused(DataError):
    """A request that cannot be granted; `status` and `field` go into the answer."""

    status = 422

    def __init__(self, message: str, field: str | None = None) -> None:
        self.field = field
        super().__init__(message)


class Conflict(Refused):
    """The request contradicts what is known."""

    status = 409


class UnknownDecision(Refused):
    """An outcome of a decision that was never made here."""

    status = 404

    def __init__(self, decision_id: str) -> None:
        super().__init__(
            f"no decision {decision_id} was ever made here; ask /v1/validate first, or leave decision_id out",
            "decision_id",
        )


class UnknownVersion(Refused):
    """A model version that the registry does not have."""

    status = 404


@dataclass(frozen=True, slots=True)
class Refusal:
    """One error as an answer."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


def refusal_of(error: LeanLlmError) -> Refusal:
    """Return status, body and headers of an error."""
    told: dict[str, Any] = {"type": type(error).__name__, "message": str(error)}
    headers: dict[str, str] = {}
    status = 500
    if isinstance(error, Refused):
        status = error.status
    elif isinstance(error, LeaseHeld):
        status, told["holder"], told["until_utc"] = 409, error.holder, error.until_utc.isoformat()
    elif isinstance(error, RetryableError):
        status, headers = 503, {"Retry-After": str(RETRY_SECONDS)}
    elif isinstance(error, InsufficientData):
        status, told["count"], told["needed"] = 409, error.count, error.needed
    elif isinstance(error, ConfigError):
        status, told["problems"] = 400, error.problems
    elif isinstance(error, DataError):
        status = 422
    elif isinstance(error, ModelError):
        status = 409
    field = getattr(error, "field", None) or _field_of(str(error))
    if field:
        told["field"] = field
    return Refusal(status, {"error": told}, headers)


def _field_of(message: str) -> str | None:
    found = _FIELD.match(message)
    return found[1] if found else None
