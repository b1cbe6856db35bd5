"""Decisions, outcomes and price bars for the tests of the outcome store and the replay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from llm_plugin.domain import (
    AccountState,
    Action,
    Decision,
    DecisionRequest,
    ExitPlan,
    ExitReason,
    MarketContext,
    Outcome,
    OutcomeKind,
    PositionState,
    QuestionKind,
    Signal,
    Source,
    Verdict,
    decision_id,
)

START = datetime(2015, 1, 5, tzinfo=UTC)


@pytest.fixture
def make_decision() -> Callable[..., tuple[DecisionRequest, Decision]]:
    """Build the n-th decision of a run, one an hour."""

    def build(
        number: int = 0,
        run_id: str = "run",
        symbol_id: str = "EURUSD 8G",
        action: Action = Action.BUY,
        verdict: Verdict = Verdict.APPROVE,
        timeout: timedelta | None = timedelta(hours=48),
        time_utc: datetime | None = None,
        **changes: Any,
    ) -> tuple[DecisionRequest, Decision]:
        moment = time_utc or START + timedelta(hours=number)
        identity = decision_id(run_id, symbol_id, moment, QuestionKind.ENTRY, number)
        features = {f"feature_{i}": i / 7 for i in range(228)}
        stop = 1.19 if action is Action.BUY else 1.21
        request = DecisionRequest(
            decision_id=identity,
            run_id=run_id,
            kind=QuestionKind.ENTRY,
            sequence=number,
            signal=Signal(symbol_id, "EURUSD", moment, action, 0.62),
            market=MarketContext(symbol_id, "EURUSD", "oanda", "forex", moment, "hour", 1.2, 1.1999, 1.2001, features),
            position=PositionState(),
            account=AccountState(100_000.0, 100_000.0, 100_000.0, 100_000.0),
            legal=(action, Action.HOLD),
            exit=ExitPlan(stop, 1.2 + 1.5 * (1.2 - stop), timeout),
        )
        values: dict[str, Any] = {
            "size_multiplier": 0.0 if verdict is Verdict.VETO else 1.0,
            "confidence": 0.6,
            "source": Source.LLM,
        }
        decision = Decision(
            decision_id=identity,
            run_id=run_id,
            kind=QuestionKind.ENTRY,
            symbol_id=symbol_id,
            time_utc=moment,
            verdict=verdict,
            action=Action.HOLD if verdict is Verdict.VETO else action,
            signal_action=action,
            signal_confidence=0.62,
            **(values | changes),
        )
        return request, decision

    return build


@pytest.fixture
def make_outcome() -> Callable[..., Outcome]:
    """Build an outcome of a decision."""

    def build(
        decision: Decision,
        r_multiple: float = 1.0,
        held: timedelta = timedelta(hours=3),
        kind: OutcomeKind = OutcomeKind.REALISED,
        **changes: Any,
    ) -> Outcome:
        values: dict[str, Any] = {
            "decision_id": decision.decision_id,
            "run_id": decision.run_id,
            "symbol_id": decision.symbol_id,
            "action": decision.signal_action,
            "kind": kind,
            "taken": kind is OutcomeKind.REALISED,
            "opened_utc": decision.time_utc,
            "closed_utc": decision.time_utc + held,
            "entry_price": 1.2001,
            "exit_price": 1.21,
            "quantity": 1000.0,
            "pnl": 9.9,
            "return_fraction": 0.008,
            "r_multiple": r_multiple,
            "volatility_adjusted_return": 1.1,
            "bars_held": 3,
            "mae_r": -0.2,
            "mfe_r": 1.0,
            "cost_r": 0.02,
            "exit_reason": ExitReason.TARGET,
        }
        return Outcome(**(values | changes))

    return build
