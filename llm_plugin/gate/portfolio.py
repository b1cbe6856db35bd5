"""A policy as an account: a vetoed trade frees the capital that the next one needs. Shown beside the decision."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.gate.decision import PortfolioRun
from llm_plugin.learning.types import MaturedDecision, PolicyAnswer

__all__ = ["portfolio"]

RISK_FRACTION = 0.01
TRADING_DAYS = 252


def portfolio(
    decisions: Sequence[MaturedDecision], answers: Sequence[PolicyAnswer], *, risk_fraction: float = RISK_FRACTION
) -> PortfolioRun:
    """Run a policy over a window: one position per symbol at a time, the same risk on every trade.

    An approved signal opens its replayed trade unless one of its symbol is still open; profit is booked when the trade
    closes. Decisions that cannot be replayed or were not answered are passed over.

    Args:
        decisions: The window.
        answers: One policy's.
        risk_fraction: Share of the start equity that one R of a full-size trade is.

    Raises:
        DataError: A risk outside 0 to 1, or no answers.
    """
    if not 0 < risk_fraction <= 1:
        raise DataError(f"risk_fraction {risk_fraction} must lie above 0 and at most at 1")
    if not answers:
        raise DataError("a portfolio needs at least one answer")
    by_id = {answer.decision_id: answer for answer in answers}
    until: dict[str, datetime] = {}
    closed: list[tuple[datetime, float]] = []
    blocked = 0
    rows = [d for d in decisions if d.origin == "signal" and d.net_r is not None and d.decision_id in by_id]
    for decision in sorted(rows, key=lambda item: (item.time_utc, item.decision_id)):
        answer, symbol = by_id[decision.decision_id], decision.request.market.symbol_id
        if not answer.approved:
            continue
        if symbol in until and decision.time_utc < until[symbol]:
            blocked += 1
            continue
        until[symbol] = decision.closed_utc
        closed.append((decision.closed_utc, risk_fraction * answer.size * float(decision.net_r or 0.0)))
    closed.sort()
    return PortfolioRun(version=answers[0].version, trades=len(closed), blocked=blocked, **_account(rows, closed))


def _account(rows: Sequence[MaturedDecision], closed: Sequence[tuple[datetime, float]]) -> dict[str, Any]:
    equity = peak = 1.0
    fall, curve = 0.0, []
    for time, profit in closed:
        equity += profit
        peak = max(peak, equity)
        fall = max(fall, 1 - equity / peak)
        curve.append((time, equity))
    sharpe = _sharpe(rows, closed) if rows else None
    return {"net_return": equity - 1, "sharpe": sharpe, "max_drawdown": fall, "curve": tuple(curve)}


def _sharpe(rows: Sequence[MaturedDecision], closed: Sequence[tuple[datetime, float]]) -> float | None:
    """Every weekday of the window counts, and any other day on which a trade closed."""
    first = min(row.time_utc for row in rows).astimezone(UTC).date()
    last = max(row.closed_utc for row in rows).astimezone(UTC).date()
    daily: dict[date, float] = {}
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if day.weekday() < 5:
            daily[day] = 0.0
    for time, profit in closed:
        day = time.astimezone(UTC).date()
        daily[day] = daily.get(day, 0.0) + profit
    values = list(daily.values())
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.fmean(values) / spread * math.sqrt(TRADING_DAYS) if spread > 0 else None
