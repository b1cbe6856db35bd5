"""Arms of a walk-forward as their processes leave them, made from domain objects."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

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
from llm_plugin.lean.rows import decision_row, outcome_row
from llm_plugin.runs.worker import WorkerSpec
from llm_plugin.walkforward.timeline import Event, Timeline

START = datetime(2013, 1, 1, tzinfo=UTC)
SYMBOL_ID = "EURUSD 8G"
DAYS = 300
GATE = {
    "gain": 0.2,
    "gain_low": 0.05,
    "gain_high": 0.35,
    "p_value": 0.004,
    "level": 0.025,
    "tried": 0,
    "outcomes": 100,
    "days": 60,
    "champion_approval": 0.5,
    "challenger_approval": 0.4,
    "disagreement": 0.3,
    "checks": [],
}


def question(index: int) -> DecisionRequest:
    """Two questions a day, the same in every arm."""
    time = START + timedelta(hours=12 * index)
    action = Action.BUY if index % 2 else Action.SELL
    return DecisionRequest(
        decision_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"walk/{index}")),
        run_id="walk",
        kind=QuestionKind.ENTRY,
        sequence=0,
        signal=Signal(SYMBOL_ID, "EURUSD", time, action, 0.6, "ensemble"),
        market=MarketContext(SYMBOL_ID, "EURUSD", "oanda", "forex", time, "hour", 1.3, 1.2999, 1.3001),
        position=PositionState(),
        account=AccountState(100_000.0, 100_000.0, 100_000.0, 100_000.0),
        legal=(action, Action.HOLD),
        exit=ExitPlan(1.29, 1.32, timedelta(hours=24)),
    )


def write_arm(folder: Path, takes: Callable[[int, float], bool], version: str = "base") -> dict[str, Any]:
    """Write an arm's files and return its last event.

    Args:
        folder: Where.
        takes: Whether question `index`, which leads to `r`, is approved.
        version: Who answered.
    """
    rng = np.random.default_rng(7)
    results = rng.choice([1.5, -1.0], 2 * DAYS, p=[0.42, 0.58])
    rows, equity, value = [], [], 100_000.0
    for index, r in enumerate(results.tolist()):
        request, approved = question(index), takes(index, r)
        rows.append(decision_row(request, _decision(request, approved, version)))
        kind = OutcomeKind.REPLAY if approved else OutcomeKind.SHADOW
        rows.append(outcome_row(_outcome(request, kind, r, approved)))
        if approved:
            rows.append(outcome_row(_outcome(request, OutcomeKind.REALISED, r, True)))
            value *= 1 + 0.01 * r
        if index % 2:
            equity.append([int(request.market.time_utc.timestamp()), *[round(value, 2)] * 4])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "decisions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    chart = {"Strategy Equity": {"series": {"Equity": {"values": equity}}}}
    (folder / "main.json").write_text(json.dumps({"charts": chart, "orders": {}}))
    profit = f"{100 * (value / 100_000 - 1):.3f}%"
    return {
        "event": "done",
        "algorithm_id": "main",
        "status": "Completed",
        "bars": 7200,
        "seconds": 3.0,
        "statistics": {"Net Profit": profit, "Sharpe Ratio": "1.0", "Drawdown": "3%", "Total Fees": "$0.00"},
        "orders_hash": "cafe" * 8,
        "error": "",
    }


def write_timeline(folder: Path, promoted_at: int = 200) -> list[Event]:
    """Write the time axis of a learning arm: too few, refused, promoted, rolled back."""
    timeline = Timeline(folder / "timeline.jsonl")
    cutoff = START - timedelta(days=30)

    def at(index: int) -> datetime:
        return question(index).market.time_utc

    timeline.add(Event("start", at(0), 0, 0, "base", data_cutoff_utc=cutoff))
    few = "3 matured decisions are known, 150 are needed: 147 to go"
    timeline.add(Event("cycle", at(60), 60, 50, "base", 1, "insufficient_data", few))
    refused = {"gate": {**GATE, "gain": -0.02, "gain_low": -0.2, "gain_high": 0.1, "p_value": 0.6}, "pairs": 120}
    timeline.add(Event("cycle", at(120), 120, 60, "base", 2, "refused", "sign-flip test: p = 0.6", figures=refused))
    passed = {"gate": GATE, "pairs": 240, "meta_label": "meta_label-x"}
    timeline.add(
        Event("cycle", at(promoted_at), promoted_at, 80, "v0002-abc", 3, "promoted", "gains +0.2 R", at(119), passed)
    )
    timeline.add(
        Event("swap", at(promoted_at), promoted_at, 80, "v0002-abc", 3, reason="base made way", data_cutoff_utc=at(119))
    )
    timeline.add(
        Event("rollback", at(480), 480, 0, "base", reason="<b>worse</b> than base", figures={"watch": {"value": 41.0}})
    )
    return timeline.events


class FakeHandle:
    """A worker that has finished at once."""

    def __init__(self, spec: WorkerSpec, final: Mapping[str, Any]) -> None:
        self.arm = spec.arm
        self.final = dict(final)
        self.stopped = False
        self.process = self

    def wait(self, timeout: float | None = None) -> Any:
        """Return the last event; as a process, its exit code."""
        return self.final if timeout is None else 0

    def wait_stopped(self) -> dict[str, Any]:
        """Return the last event."""
        return self.final

    def interrupt(self) -> None:
        """Note that it was told to stop."""
        self.stopped = True


def _decision(request: DecisionRequest, approved: bool, version: str) -> Decision:
    return Decision(
        decision_id=request.decision_id,
        run_id=request.run_id,
        kind=request.kind,
        symbol_id=SYMBOL_ID,
        time_utc=request.market.time_utc,
        verdict=Verdict.APPROVE if approved else Verdict.VETO,
        action=request.signal.action if approved else Action.HOLD,
        size_multiplier=1.0 if approved else 0.0,
        confidence=0.6,
        source=Source.LLM,
        signal_action=request.signal.action,
        signal_confidence=request.signal.confidence,
        model_version=version,
        prompt_hash="ab" * 32,
    )


def _outcome(request: DecisionRequest, kind: OutcomeKind, r: float, taken: bool) -> Outcome:
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
