"""Between domain objects and rows of the outcome store, and its failures in plain words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from llm_plugin.domain import Decision, DecisionRequest, Outcome, OutcomeKind, QuestionKind, to_jsonable
from llm_plugin.errors import DataError
from llm_plugin.outcomes import schema

__all__ = [
    "EPOCH",
    "MICROSECOND",
    "StoredDecision",
    "cause",
    "decision_row",
    "dump",
    "microseconds",
    "outcome_row",
    "primary_rank",
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
PRIMARY_ORDER = {OutcomeKind.REALISED: 0, OutcomeKind.SHADOW: 1, OutcomeKind.REPLAY: 2}


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """One question with its answer, as they were; `prompt_text` is None where no prompt was made."""

    request: DecisionRequest
    decision: Decision
    prompt_text: str | None
    template_version: str
    schema_version: str


def microseconds(moment: datetime) -> int:
    """Return whole microseconds since the epoch; a time without a zone is refused."""
    if moment.tzinfo is None:
        raise DataError(f"time {moment!r} has no zone: the store takes aware UTC times only")
    return (moment - EPOCH) // MICROSECOND


def dump(value: Any) -> str:
    """Return compact JSON of a domain object or plain value."""
    return json.dumps(to_jsonable(value), separators=(",", ":"), allow_nan=False)


def primary_rank(outcome: Outcome) -> tuple[int, bool]:
    """Order the outcomes of one decision: realised, then shadow, then replay; taken before untaken."""
    return PRIMARY_ORDER[outcome.kind], not outcome.taken


def decision_row(request: DecisionRequest, decision: Decision) -> dict[str, Any]:
    """Return the row of `decisions`."""
    timeout = request.exit.timeout if request.exit is not None and request.kind is QuestionKind.ENTRY else None
    return {
        "decision_id": decision.decision_id,
        "run_id": decision.run_id,
        "symbol_id": decision.symbol_id,
        "time_us": microseconds(decision.time_utc),
        "kind": decision.kind.value,
        "sequence": request.sequence,
        "verdict": decision.verdict.value,
        "signal_action": decision.signal_action.value,
        "timeout_us": None if timeout is None else timeout // MICROSECOND,
        "prompt_hash": decision.prompt_hash or None,
        "request": dump(request),
        "decision": dump(decision),
        "reason": None,
    }


def cause(error: Exception) -> str:
    """Say in plain words why a database failed, with the remedy where there is one."""
    original = getattr(error, "orig", None) or error
    name = getattr(original, "sqlite_errorname", "") or getattr(original, "sqlstate", "") or ""
    if name == "SQLITE_FULL" or name == "53100":
        return "the disk is full; free space and go on"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another process held the database for more than {schema.BUSY_TIMEOUT_SECONDS:g} s"
    if name.startswith("SQLITE_READONLY"):
        return "the file is read-only; check its permissions"
    if name in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
        return f"the file is damaged or no SQLite database ({original}); restore it from a copy"
    return str(original).strip() or type(original).__name__


def outcome_row(outcome: Outcome) -> dict[str, Any]:
    """Return the row of `outcomes`."""
    return {
        "decision_id": outcome.decision_id,
        "action": outcome.action.value,
        "kind": outcome.kind.value,
        "run_id": outcome.run_id,
        "taken": outcome.taken,
        "closed_us": microseconds(outcome.closed_utc),
        "r_multiple": to_jsonable(outcome.r_multiple),
        "pnl": to_jsonable(outcome.pnl),
        "outcome": dump(outcome),
    }
