"""From `record_outcome`'s words to an outcome of a stored decision, and what became of each recorded outcome."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from llm_plugin.domain import Action, DecisionRequest, ExitReason, Outcome, OutcomeKind
from llm_plugin.errors import DataError
from llm_plugin.service.reports import REASONS

if TYPE_CHECKING:
    from llm_plugin.outcomes.store import StoredDecision

__all__ = ["Recorded", "TradeResult", "outcome_of_result"]


@dataclass(frozen=True, slots=True)
class TradeResult:
    """How the trade of a known decision ended, as far as the reporter knows.

    Attributes:
        signal: BUY or SELL; must be the decision's signal.
        symbol: Security identifier or ticker; must be the decision's.
        actual_outcome: In words; `stop`, `target` and `timeout` are understood.
        pnl: Profit in account currency, net.
        closed_utc: When it ended.
        r_multiple: Profit in units of the initial stop distance.
        entry_price: Average price of the entry.
        exit_price: Average price of the exit.
        quantity: Units, without sign.
    """

    signal: Action
    symbol: str
    actual_outcome: str
    pnl: float
    closed_utc: datetime
    r_multiple: float | None = None
    entry_price: float | None = None
    exit_price: float | None = None
    quantity: float | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an outcome: `status` is recorded or duplicate; `r_source` says where its R comes from."""

    status: str
    buffer_size: int
    r_multiple: float = math.nan
    r_source: str = "given"


def outcome_of_result(stored: StoredDecision, result: TradeResult) -> tuple[Outcome, str]:
    """Return the realised outcome of a decision, and where its R comes from.

    R is taken as given; else from both prices; else from the exit plan's level where the trade ended at stop or
    target; else a gain is 1 R and a loss -1 R.

    Raises:
        DataError: Signal or symbol are not the decision's, or the trade ended before the decision.
    """
    request = stored.request
    _check(request, result)
    r_multiple, source = _r_of(request, result)
    entry = request.market.price if result.entry_price is None else result.entry_price
    exit_price = math.nan if result.exit_price is None else result.exit_price
    side = result.signal.side
    outcome = Outcome(
        decision_id=request.decision_id,
        run_id=request.run_id,
        symbol_id=request.market.symbol_id,
        action=result.signal,
        kind=OutcomeKind.REALISED,
        taken=True,
        opened_utc=request.market.time_utc,
        closed_utc=result.closed_utc,
        entry_price=entry,
        exit_price=exit_price,
        quantity=math.nan if result.quantity is None else side * abs(result.quantity),
        pnl=result.pnl,
        return_fraction=side * (exit_price / entry - 1),
        r_multiple=r_multiple,
        volatility_adjusted_return=r_multiple,
        bars_held=0,
        mae_r=math.nan,
        mfe_r=math.nan,
        cost_r=0.0,
        exit_reason=REASONS.get(result.actual_outcome.lower(), ExitReason.SIGNAL),
    )
    return outcome, source


def _check(request: DecisionRequest, result: TradeResult) -> None:
    if result.signal is not request.signal.action:
        raise DataError(
            f"signal: {result.signal.value} was reported for decision {request.decision_id}, which was about "
            f"{request.signal.action.value}"
        )
    if result.symbol not in (request.market.symbol_id, request.market.ticker):
        raise DataError(
            f"symbol: {result.symbol} was reported for decision {request.decision_id}, which was about "
            f"{request.market.symbol_id}"
        )
    if result.closed_utc <= request.market.time_utc:
        raise DataError(
            f"timestamp: the trade ended at {result.closed_utc.isoformat()}, not after its decision at "
            f"{request.market.time_utc.isoformat()}"
        )


def _r_of(request: DecisionRequest, result: TradeResult) -> tuple[float, str]:
    if result.r_multiple is not None:
        return result.r_multiple, "given"
    plan, side = request.exit, result.signal.side
    entry = request.market.price if result.entry_price is None else result.entry_price
    risk = 0.0 if plan is None else plan.stop_distance(request.market.price)
    if risk > 0 and result.entry_price is not None and result.exit_price is not None:
        return side * (result.exit_price - result.entry_price) / risk, "prices"
    word = result.actual_outcome.lower()
    level = {"stop": plan.stop, "target": plan.target}.get(word) if plan is not None else None
    if risk > 0 and level is not None and math.isfinite(level):
        return side * (level - entry) / risk, "plan"
    return float((result.pnl > 0) - (result.pnl < 0)), "sign"
