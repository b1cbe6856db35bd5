"""Where a replay starts: an action, the quote it was decided on, and the money behind it. Standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from llm_plugin.domain import Action, DecisionRequest, ExitReason, Outcome, OutcomeKind
from llm_plugin.errors import DataError

__all__ = ["EntryFill", "ReplayEntry", "check_entry", "hold_outcome"]


class EntryFill(StrEnum):
    """When a market order fills: at the quote it was sent on, or at the open of the next bar."""

    QUOTE = "quote"
    NEXT_OPEN = "next_open"


@dataclass(frozen=True, slots=True)
class ReplayEntry:
    """What is known when an action is decided. `reference_price` and the stop define 1 R."""

    decision_id: str
    run_id: str
    symbol_id: str
    action: Action
    decided_utc: datetime
    reference_price: float
    bid: float
    ask: float
    security_type: str
    quantity: float = 1.0
    contract_multiplier: float = 1.0
    volatility_fraction: float = math.nan
    price_increment: float = 0.0
    fill: EntryFill = EntryFill.QUOTE
    ticker: str = ""
    quote_currency: str = "USD"

    @classmethod
    def from_request(
        cls,
        request: DecisionRequest,
        quantity: float = 1.0,
        fill: EntryFill = EntryFill.QUOTE,
        volatility_fraction: float = math.nan,
        price_increment: float = 0.0,
    ) -> ReplayEntry:
        """Describe the entry that a request's signal asks for, whether or not it was approved."""
        market = request.market
        return cls(
            decision_id=request.decision_id,
            run_id=request.run_id,
            symbol_id=request.signal.symbol_id,
            action=request.signal.action,
            decided_utc=request.signal.time_utc,
            reference_price=market.price,
            bid=market.bid,
            ask=market.ask,
            security_type=market.security_type,
            quantity=abs(quantity),
            contract_multiplier=market.contract_multiplier,
            volatility_fraction=volatility_fraction,
            price_increment=price_increment,
            fill=fill,
            ticker=market.ticker,
            quote_currency=market.quote_currency,
        )


def check_entry(entry: ReplayEntry) -> None:
    """Refuse an entry that cannot be followed, by the value that is wrong."""
    if not entry.action.side:
        raise DataError(f"decision {entry.decision_id}: {entry.action.value} opens nothing; HOLD's outcome is 0 R")
    if entry.decided_utc.tzinfo is None:
        raise DataError(f"decision {entry.decision_id}: time {entry.decided_utc!r} has no zone; times are aware UTC")
    for name in ("reference_price", "bid", "ask", "quantity", "contract_multiplier"):
        value = getattr(entry, name)
        if not (math.isfinite(value) and value > 0):
            raise DataError(f"decision {entry.decision_id}: {name} is {value!r}, not a positive number")
    if entry.volatility_fraction <= 0:
        raise DataError(f"decision {entry.decision_id}: volatility {entry.volatility_fraction!r} is not positive")


def hold_outcome(entry: ReplayEntry, taken: bool = False) -> Outcome:
    """Return the outcome of HOLD on an entry question: nothing is opened, 0 R, known at once."""
    return Outcome(
        decision_id=entry.decision_id,
        run_id=entry.run_id,
        symbol_id=entry.symbol_id,
        action=Action.HOLD,
        kind=OutcomeKind.REPLAY,
        taken=taken,
        opened_utc=entry.decided_utc,
        closed_utc=entry.decided_utc,
        entry_price=entry.reference_price,
        exit_price=entry.reference_price,
        quantity=0.0,
        pnl=0.0,
        return_fraction=0.0,
        r_multiple=0.0,
        volatility_adjusted_return=0.0,
        bars_held=0,
        mae_r=0.0,
        mfe_r=0.0,
        cost_r=0.0,
        exit_reason=ExitReason.NOT_EXECUTED,
    )
