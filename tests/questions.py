"""Questions and outcomes for tests: a EURUSD entry question with features, and what it led to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from llm_plugin.domain import (
    AccountState,
    Action,
    DecisionRequest,
    ExitPlan,
    ExitReason,
    MarketContext,
    Outcome,
    OutcomeKind,
    PositionState,
    QuestionKind,
    Signal,
    decision_id,
)

START = datetime(2014, 3, 3, tzinfo=UTC)
FEATURES = {
    "adx_14": 32.0,
    "rsi_14": 66.0,
    "trend_direction": 1.0,
    "volatility_regime": 1.0,
    "volatility_percentile": 0.83,
    "macd_histogram": 0.23,
    "return_24": 1.4,
    "bollinger_b_20": 0.8,
    "support_distance_fraction": 0.01,
    "resistance_distance_fraction": 0.02,
    "spread_atr": 0.09,
}


def question(
    hours: float = 0,
    action: Action = Action.BUY,
    *,
    confidence: float = 0.6,
    run_id: str = "run",
    symbol: str = "EURUSD",
    kind: QuestionKind = QuestionKind.ENTRY,
    legal: tuple[Action, ...] | None = None,
    features: dict[str, float] | None = None,
    position: PositionState | None = None,
    equity: float = 100_000.0,
    peak: float = 100_000.0,
    sequence: int = 0,
    ready: bool = True,
    resolution: str = "hour",
    plan: ExitPlan | None = None,
    **market: Any,
) -> DecisionRequest:
    """Return a question `hours` after Monday 2014-03-03 00:00 UTC."""
    time = START + timedelta(hours=hours)
    side = action.side or 1
    context = MarketContext(
        symbol_id=symbol,
        ticker=symbol,
        market="oanda",
        security_type="forex",
        time_utc=time,
        resolution=resolution,
        price=1.37,
        bid=1.36995,
        ask=1.37005,
        features=FEATURES if features is None else features,
        ready=ready,
        **market,
    )
    return DecisionRequest(
        decision_id=decision_id(run_id, symbol, time, kind, sequence),
        run_id=run_id,
        kind=kind,
        sequence=sequence,
        signal=Signal(symbol, symbol, time, action, confidence),
        market=context,
        position=position or PositionState(),
        account=AccountState(equity, peak, equity, 100_000.0),
        legal=legal if legal is not None else (action, Action.HOLD),
        exit=plan or ExitPlan(1.37 - 0.004 * side, 1.37 + 0.006 * side, timedelta(hours=24)),
    )


def result(
    request: DecisionRequest, r: float, hours: float = 6, kind: OutcomeKind = OutcomeKind.REALISED, **fields: Any
) -> Outcome:
    """Return an outcome of `r` R that closed `hours` after the question."""
    opened = request.market.time_utc
    values: dict[str, Any] = {
        "decision_id": request.decision_id,
        "run_id": request.run_id,
        "symbol_id": request.market.symbol_id,
        "action": request.signal.action,
        "kind": kind,
        "taken": kind is OutcomeKind.REALISED,
        "opened_utc": opened,
        "closed_utc": opened + timedelta(hours=hours),
        "entry_price": 1.37,
        "exit_price": 1.37 + 0.004 * r,
        "quantity": 1000.0,
        "pnl": r * 4.0,
        "return_fraction": r * 0.003,
        "r_multiple": r,
        "volatility_adjusted_return": r,
        "bars_held": int(hours),
        "mae_r": 0.0,
        "mfe_r": 0.0,
        "cost_r": 0.0,
        "exit_reason": ExitReason.TARGET if r > 0 else ExitReason.STOP,
    }
    return Outcome(**{**values, **fields})
