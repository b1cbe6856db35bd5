"""Decisions with a planted rule, made in memory: contexts as a prompt shows them, outcomes as a coin of known bias."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from llm_plugin.bootstrap.rows import DecisionRow
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
)

START = datetime(2010, 1, 4, tzinfo=UTC)
RULES = {
    "volatility": lambda f, side: f["volatility_percentile"] >= 0.55,
    "trend": lambda f, side: side * f["trend_direction"] >= 0.0,
    "rsi": lambda f, side: side * (f["rsi_14"] - 50) < 4.0,
    "volatility_trend": lambda f, side: (f["volatility_percentile"] >= 0.5) != (side * f["trend_direction"] >= 0.0),
    "none": lambda f, side: True,
}


def _features(rng: np.random.Generator) -> dict[str, float]:
    trend = float(rng.normal(0, 2))
    return {
        "adx_14": float(np.clip(rng.gamma(6, 4), 5, 70)),
        "trend_direction": float(np.sign(trend)),
        "rsi_14": float(np.clip(rng.normal(50 + 3 * trend, 10), 5, 95)),
        "macd_histogram": float(rng.normal(0, 0.3)),
        "volatility_regime": float(rng.integers(-1, 2)),
        "volatility_percentile": float(rng.random()),
        "efficiency_ratio_24": float(rng.random()),
        "return_24": float(rng.normal(trend / 2, 1)),
        "return_3": float(rng.normal(0, 1)),
        "bollinger_b_20": float(rng.random()),
        "range_position_120": float(rng.random()),
        "support_distance": float(rng.gamma(2, 1.5)),
        "resistance_distance": float(rng.gamma(2, 1.5)),
        "atr_14": 0.001,
    }


def planted_rows(
    count: int,
    rule: str = "volatility",
    *,
    seed: int = 0,
    win_good: float = 0.55,
    win_bad: float = 0.27,
    reward_risk: float = 1.5,
    context_rows: int = 0,
    start: datetime = START,
) -> list[DecisionRow]:
    """Return `count` signals four hours apart, and bars without a signal between them."""
    rng = np.random.default_rng(seed)
    rows = []
    total = count + context_rows
    is_signal = np.zeros(total, bool)
    is_signal[np.linspace(0, total - 1, count).round().astype(int)] = True
    for index in range(total):
        time = start + timedelta(minutes=int(240 * count / total * index))
        features, side = _features(rng), 1 if rng.random() < 0.5 else -1
        good = RULES[rule](features, side)
        won = rng.random() < (win_good if good else win_bad)
        net = (reward_risk if won else -1.0) - 0.04
        if rng.random() < 0.2:
            net = (1 if won else -1) * float(rng.random()) * 0.7 - 0.04
        rows.append(make_row(index, time, features, side, net, reward_risk, bool(is_signal[index])))
    return rows


def make_row(
    index: int, time: datetime, features: dict[str, float], side: int, net: float, reward_risk: float, signal: bool
) -> DecisionRow:
    """Build one row around a price of 1.3 with a stop 20 pips away."""
    action = Action.BUY if side > 0 else Action.SELL
    price, stop = 1.3, 0.002
    market = MarketContext("EURUSD 5O", "EURUSD", "oanda", "forex", time, "hour", price, price, price, features)
    plan = ExitPlan(price - side * stop, price + side * stop * reward_risk, timedelta(hours=48))
    request = DecisionRequest(
        f"d{index}",
        "train",
        QuestionKind.ENTRY,
        index,
        Signal("EURUSD 5O", "EURUSD", time, action, 0.6),
        market,
        PositionState(),
        AccountState(100_000, 100_000, 100_000, 100_000),
        (action, Action.HOLD),
        plan,
    )
    closed = time + timedelta(hours=6)
    outcome = Outcome(
        request.decision_id, "train", "EURUSD 5O", action, OutcomeKind.REPLAY, False, time, closed, price,
        price + side * stop * net, 1.0, net, net * 0.01, net, net, 6, -0.5, 0.5, 0.04, ExitReason.TARGET,
    )  # fmt: skip
    return DecisionRow(request, net, closed, signal, outcome if signal else None)


def rule_holds(row: DecisionRow, rule: str) -> bool:
    """Whether the planted rule calls this row good."""
    return bool(RULES[rule](row.request.market.features, row.action.side))
