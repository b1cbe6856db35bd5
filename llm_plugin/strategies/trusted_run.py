"""What a trusted process saw of a run: the orders, their fills and the account. The judge fills it, gate 4 reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

__all__ = ["Finding", "TrustedFill", "TrustedOrder", "TrustedRun"]


@dataclass(frozen=True, slots=True)
class TrustedFill:
    """One fill; `quantity` is signed, `fee` in account currency."""

    utc: datetime
    price: float
    quantity: float
    fee: float = 0.0


@dataclass(frozen=True, slots=True)
class TrustedOrder:
    """One order as it was asked for, and what became of it.

    `kind` is LEAN's order type in snake_case (market, limit, stop_market, stop_limit, trailing_stop, market_on_open,
    market_on_close, limit_if_touched); `quantity` is signed; `created_utc` is when the algorithm asked for it.
    """

    id: int
    symbol: str
    kind: str
    quantity: float
    created_utc: datetime
    status: str = "filled"
    limit_price: float | None = None
    stop_price: float | None = None
    tag: str = ""
    fills: tuple[TrustedFill, ...] = ()


@dataclass(frozen=True)
class TrustedRun:
    """A replayed run.

    Attributes:
        data_folder: LEAN-format data that the replay used: conditions are evaluated on it.
        start: First day of the run.
        end: Last day of the run.
        cash: Starting cash.
        orders: In the order in which they were asked for.
        subscriptions: `(symbol, resolution)` of what the algorithm subscribed to; empty if that was not seen.
        equity: `(time, value)` samples of the account; empty if there are none.
        price_mode: LEAN's data normalization mode in snake_case (adjusted, raw, split_adjusted, total_return).
        time_zone: The algorithm's time zone.
    """

    data_folder: Path
    start: date
    end: date
    cash: float
    orders: tuple[TrustedOrder, ...] = ()
    subscriptions: tuple[tuple[str, str], ...] = ()
    equity: tuple[tuple[datetime, float], ...] = ()
    price_mode: str = "adjusted"
    time_zone: str = "America/New_York"
    statistics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One requirement that does not hold.

    Attributes:
        requirement: Which: symbols, resolution, direction, indicators, entry, exit, stop, target, size, holding_bars,
            rebalance, ranking, weights.
        reason: What was expected and what was seen, with the bar's time and the values; a model can repair from it.
        evidence: The same as data.
    """

    requirement: str
    reason: str
    evidence: Mapping[str, object] = field(default_factory=dict)
