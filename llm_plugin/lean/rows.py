"""The rows of `decisions.jsonl`: flat JSON objects whose `kind` is signal, decision or outcome."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from llm_plugin.domain import Decision, DecisionRequest, Outcome, Signal, from_jsonable, to_jsonable

__all__ = ["decision_of", "decision_row", "outcome_of", "outcome_row", "signal_of", "signal_row", "time_key"]

_DECISION_FIELDS = frozenset(Decision.__dataclass_fields__)
_OUTCOME_FIELDS = frozenset(Outcome.__dataclass_fields__)
_SIGNAL_FIELDS = frozenset(Signal.__dataclass_fields__)


def time_key(moment: datetime) -> str:
    """Return a time as the text that rows hold and lookups use."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def signal_row(signal: Signal, bar_utc: datetime) -> dict[str, Any]:
    """Return the row of one answer of the signal source; `time_utc` is the end of the bar it was asked about."""
    return {
        "kind": "signal",
        "symbol_id": signal.symbol_id,
        "ticker": signal.ticker,
        "time_utc": time_key(bar_utc),
        "action": signal.action.value,
        "confidence": signal.confidence,
        "source": signal.source,
        "group": signal.group,
    }


def decision_row(request: DecisionRequest, decision: Decision) -> dict[str, Any]:
    """Return the row of one decision; `question` is entry or position, the rest are the decision's own fields."""
    row: dict[str, Any] = to_jsonable(decision)
    question = row.pop("kind")
    return {
        "kind": "decision",
        "question": question,
        "sequence": request.sequence,
        "bar_utc": time_key(request.market.time_utc),
        "ticker": request.market.ticker,
        "price": request.market.price,
        "legal": [action.value for action in request.legal],
        "exit": to_jsonable(request.exit),
        "group": request.signal.group,
        "signal_source": request.signal.source,
        "position_quantity": request.position.quantity,
        "equity": request.account.equity,
    } | row


def outcome_row(outcome: Outcome) -> dict[str, Any]:
    """Return the row of one outcome; `outcome_kind` is realised, shadow or replay."""
    row: dict[str, Any] = to_jsonable(outcome)
    return {"kind": "outcome", "outcome_kind": row.pop("kind")} | row


def signal_of(row: Mapping[str, Any]) -> Signal:
    """Rebuild the signal of a row."""
    signal: Signal = from_jsonable(Signal, {key: value for key, value in row.items() if key in _SIGNAL_FIELDS})
    return signal


def decision_of(row: Mapping[str, Any]) -> Decision:
    """Rebuild the decision of a row."""
    values = {key: value for key, value in row.items() if key in _DECISION_FIELDS and key != "kind"}
    decision: Decision = from_jsonable(Decision, values | {"kind": row["question"]})
    return decision


def outcome_of(row: Mapping[str, Any]) -> Outcome:
    """Rebuild the outcome of a row."""
    values = {key: value for key, value in row.items() if key in _OUTCOME_FIELDS and key != "kind"}
    outcome: Outcome = from_jsonable(Outcome, values | {"kind": row["outcome_kind"]})
    return outcome
