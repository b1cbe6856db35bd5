"""Realised outcomes: what the fills of one decision's own position came to."""

from __future__ import annotations

import math
from typing import Any

from llm_plugin.domain import DecisionRequest, Outcome, OutcomeKind
from llm_plugin.errors import DataError
from llm_plugin.lean.positions import Fill, Lot

__all__ = ["conversion_rate", "fill_of", "realised_outcome"]


def realised_outcome(lot: Lot, request: DecisionRequest, conversion: float, atr: float) -> Outcome:
    """Turn a closed lot into the decision's realised outcome; profit is in account currency, net of fees.

    Args:
        lot: The closed lot.
        request: The entry question, for the risk that was planned.
        conversion: Account currency per unit of the quote currency.
        atr: Average true range at the decision, for the volatility-adjusted return.

    Raises:
        DataError: The lot is still open.
    """
    if lot.closed_utc is None or request.exit is None:
        raise DataError(f"decision {request.decision_id}: its position is still open, or had no exit plan")
    units = request.market.contract_multiplier * conversion
    risk_price = request.exit.stop_distance(request.market.price) * lot.price_factor
    risk = risk_price * lot.entry_quantity * units
    pnl = lot.gross * units - lot.fees
    return_fraction = pnl / (lot.entry_value * units)
    market = request.market
    spread = (market.ask - market.bid) * lot.price_factor  # half at the entry, half at the exit
    return Outcome(
        decision_id=request.decision_id,
        run_id=request.run_id,
        symbol_id=request.market.symbol_id,
        action=request.signal.action,
        kind=OutcomeKind.REALISED,
        taken=True,
        opened_utc=lot.opened_utc,
        closed_utc=lot.closed_utc,
        entry_price=lot.entry_price,
        exit_price=lot.exit_price,
        quantity=lot.side * lot.entry_quantity,
        pnl=pnl,
        return_fraction=return_fraction,
        r_multiple=pnl / risk,
        volatility_adjusted_return=return_fraction / (atr / market.price) if atr > 0 else math.nan,
        bars_held=lot.bars_held,
        mae_r=_excursion(lot, lot.worst, risk_price, adverse=True),
        mfe_r=_excursion(lot, lot.best, risk_price, adverse=False),
        cost_r=spread / risk_price + lot.fees / risk,
        exit_reason=lot.exit_reason,
    )


def conversion_rate(algorithm: Any, security: Any) -> float:
    """Return account currency per unit of a security's quote currency."""
    if str(security.quote_currency.symbol) == str(algorithm.account_currency):
        return 1.0
    return float(security.quote_currency.conversion_rate)


def fill_of(algorithm: Any, event: Any, tag: str, time_utc: Any) -> Fill:
    """Turn a LEAN order event with a fill into the book's fill."""
    fee = event.order_fee.value
    amount, currency = float(fee.amount), str(fee.currency)
    if amount and currency != str(algorithm.account_currency):
        amount *= float(algorithm.portfolio.cash_book[currency].conversion_rate)
    return Fill(
        order_id=int(event.order_id),
        tag=tag,
        quantity=float(event.fill_quantity),
        price=float(event.fill_price),
        fee=amount,
        time_utc=time_utc,
    )


def _excursion(lot: Lot, extreme: float, risk_price: float, *, adverse: bool) -> float:
    moves = [lot.side * (lot.exit_price - lot.entry_price) / risk_price, 0.0]
    if extreme == extreme:
        moves.append(lot.side * (extreme - lot.entry_price) / risk_price)
    return min(moves) if adverse else max(moves)
