"""A small run folder as the engine and the recorder leave it, made from domain objects."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
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
)
from llm_plugin.lean.rows import decision_row, outcome_row, signal_row
from llm_plugin.runs.record import ArmRecord

START = datetime(2013, 1, 1, tzinfo=UTC)
SYMBOL_ID = "EURUSD 8G"


def request_at(index: int, run_id: str) -> DecisionRequest:
    """One entry question, six hours after the one before."""
    time = START + timedelta(hours=6 * index)
    action = Action.BUY if index % 2 else Action.SELL
    signal = Signal(SYMBOL_ID, "EURUSD", time, action, 0.6, "ensemble")
    market = MarketContext(SYMBOL_ID, "EURUSD", "oanda", "forex", time, "hour", 1.3, 1.2999, 1.3001)
    key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run_id}/{index}"))
    return DecisionRequest(
        decision_id=key,
        run_id=run_id,
        kind=QuestionKind.ENTRY,
        sequence=0,
        signal=signal,
        market=market,
        position=PositionState(),
        account=AccountState(100_000.0, 100_000.0, 100_000.0, 100_000.0),
        legal=(action, Action.HOLD),
        exit=ExitPlan(1.29, 1.32, timedelta(hours=24)),
    )


def decide(request: DecisionRequest, verdict: Verdict, confidence: float) -> Decision:
    """The answer to a question."""
    approved = verdict is not Verdict.VETO
    return Decision(
        decision_id=request.decision_id,
        run_id=request.run_id,
        kind=request.kind,
        symbol_id=SYMBOL_ID,
        time_utc=request.market.time_utc,
        verdict=verdict,
        action=request.signal.action if approved else Action.HOLD,
        size_multiplier=1.0 if approved else 0.0,
        confidence=confidence,
        source=Source.LLM,
        signal_action=request.signal.action,
        signal_confidence=request.signal.confidence,
        model_version="test-model",
        prompt_hash="ab" * 32,
        action_probabilities={request.signal.action.value: confidence, "HOLD": 1 - confidence},
    )


def outcome_of_request(request: DecisionRequest, kind: OutcomeKind, r: float, taken: bool) -> Outcome:
    """How a trade ended, three hours later."""
    opened = request.market.time_utc
    return Outcome(
        decision_id=request.decision_id,
        run_id=request.run_id,
        symbol_id=SYMBOL_ID,
        action=request.signal.action,
        kind=kind,
        taken=taken,
        opened_utc=opened,
        closed_utc=opened + timedelta(hours=3),
        entry_price=1.3,
        exit_price=1.3 + 0.01 * r,
        quantity=1000.0,
        pnl=10 * r,
        return_fraction=0.001 * r,
        r_multiple=r,
        volatility_adjusted_return=r,
        bars_held=3,
        mae_r=-0.5,
        mfe_r=0.5,
        cost_r=0.02,
        exit_reason=ExitReason.TARGET if r > 0 else ExitReason.STOP,
    )


@pytest.fixture
def make_arm(tmp_path: Path) -> Callable[..., ArmRecord]:
    """Return a function that writes an arm's folder and gives its record."""

    def make(name: str, title: str, *, veto_rate: float, drift: float, days: int = 120, seed: int = 0) -> ArmRecord:
        rng = np.random.default_rng(seed)
        folder = tmp_path / name
        folder.mkdir()
        rows = []
        for index in range(4 * days):
            request = request_at(index, f"run-{name}")
            r = float(rng.choice([1.5, -1.0]))
            vetoed = rng.random() < veto_rate
            decision = decide(
                request, Verdict.VETO if vetoed else Verdict.APPROVE, round(float(rng.uniform(0.3, 0.7)), 4)
            )
            rows += [signal_row(request.signal, request.market.time_utc), decision_row(request, decision)]
            twin = OutcomeKind.SHADOW if vetoed else OutcomeKind.REPLAY
            rows.append(outcome_row(outcome_of_request(request, twin, r, not vetoed)))
            if not vetoed:
                rows.append(outcome_row(outcome_of_request(request, OutcomeKind.REALISED, r - 0.01, True)))
        (folder / "decisions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        steps = rng.normal(drift, 0.004, days)
        equity = 100_000 * np.cumprod(1 + steps)
        values = [
            [int((START + timedelta(days=i)).timestamp()), *[round(float(e), 2)] * 4] for i, e in enumerate(equity)
        ]
        chart = {"Strategy Equity": {"series": {"Equity": {"values": values}}}}
        (folder / "main.json").write_text(json.dumps({"charts": chart, "orders": {}}))
        profit = f"{100 * (equity[-1] / 100_000 - 1):.3f}%"
        statistics = {"Net Profit": profit, "Sharpe Ratio": "1.0", "Drawdown": "3%"}
        return ArmRecord(name, title, folder, "main", 1000, 2.0, "cafe" * 8, statistics=statistics)

    return make
