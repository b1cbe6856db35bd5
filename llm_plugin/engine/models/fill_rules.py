"""LEAN's fill rules as pure functions on plain numbers (floats or Decimals).

Each rule gets the prices of the last completed bar and returns the price of the fill, or None where the order does
not fill. `slip` is the slippage in price units, always positive. Equity rules know the bar's open (gaps); base
rules (forex, CFD, crypto, index, custom data) use the quote's side of the trade: ask to buy, bid to sell.

Standard library only: the fill models of the engine and the plugin's replay call the same functions.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

__all__ = [
    "equity_limit_fill",
    "equity_limit_if_touched_fill",
    "equity_stop_market_fill",
    "initial_trailing_stop",
    "limit_fill",
    "limit_if_touched_fill",
    "market_fill",
    "stop_limit_fill",
    "stop_market_fill",
    "trailing_stop_fill",
    "updated_trailing_stop",
]

Number = TypeVar("Number", float, Decimal)


def market_fill(buy: bool, price: Number, slip: Number) -> Number:
    """Fill at the price of the trade's side (also market-on-open and market-on-close), plus slippage."""
    return price + slip if buy else price - slip


def equity_limit_fill(buy: bool, limit: Number, open_: Number, high: Number, low: Number) -> Number | None:
    """Fill at the limit, or at the open where the bar opens beyond it; touching the limit is not enough."""
    if buy:
        return min(open_, limit) if low < limit else None
    return max(open_, limit) if high > limit else None


def limit_fill(buy: bool, limit: Number, high: Number, low: Number) -> Number | None:
    """Fill at the worse of the limit and the bar's far side."""
    if buy:
        return min(high, limit) if low < limit else None
    return max(low, limit) if high > limit else None


def equity_stop_market_fill(
    buy: bool, stop: Number, open_: Number, high: Number, low: Number, slip: Number
) -> Number | None:
    """Fill at the stop, or at the open where the bar opens beyond it; touching the stop is enough."""
    if buy:
        return max(open_, stop) + slip if high >= stop else None
    return min(open_, stop) - slip if low <= stop else None


def stop_market_fill(buy: bool, stop: Number, high: Number, low: Number, close: Number, slip: Number) -> Number | None:
    """Fill at the worse of the stop and the bar's close; the stop must be crossed, not only touched."""
    if buy:
        return max(stop, close + slip) if high > stop else None
    return min(stop, close - slip) if low < stop else None


def stop_limit_fill(
    buy: bool, triggered: bool, stop: Number, limit: Number, high: Number, low: Number, close: Number
) -> tuple[bool, Number | None]:
    """Return (triggered, fill price): after the stop is crossed, the close must be better than the limit."""
    triggered = triggered or (high > stop if buy else low < stop)
    if not triggered:
        return False, None
    if buy:
        return True, min(high, limit) if close < limit else None
    return True, max(low, limit) if close > limit else None


def trailing_stop_fill(
    buy: bool, stop: Number, high: Number, low: Number, close: Number, slip: Number
) -> Number | None:
    """Fill at the worse of the stop and the close; touching is enough. Trail the stop only when this gives None."""
    if buy:
        return max(stop, close + slip) if high >= stop else None
    return min(stop, close - slip) if low <= stop else None


def updated_trailing_stop(
    buy: bool, stop: Number, high: Number, low: Number, amount: Number, as_percentage: bool
) -> Number:
    """Return the stop after a bar that did not fill: it follows the bar's extreme and never retreats."""
    market = low if buy else high
    distance = (stop - market) if buy else (market - stop)
    wanted = market * amount if as_percentage else amount
    if distance <= wanted:
        return stop
    return market + wanted if buy else market - wanted


def initial_trailing_stop(buy: bool, price: Number, amount: Number, as_percentage: bool) -> Number:
    """Return the stop of a new order that names none."""
    distance = price * amount if as_percentage else amount
    return price + distance if buy else price - distance


def equity_limit_if_touched_fill(
    buy: bool, touched: bool, trigger: Number, limit: Number, high: Number, low: Number, quote: Number
) -> tuple[bool, Number | None]:
    """Return (touched, fill price): trigger on the trade bar, fill on `quote` (ask to buy, bid to sell)."""
    touched = touched or (low <= trigger if buy else high >= trigger)
    if not touched:
        return False, None
    if buy:
        return True, min(quote, limit) if quote <= limit else None
    return True, max(quote, limit) if quote >= limit else None


def limit_if_touched_fill(
    buy: bool, touched: bool, trigger: Number, limit: Number, high: Number, low: Number, quote: Number
) -> tuple[bool, Number | None]:
    """Like the equity rule, but fills at the limit and `quote` is the opposite side (bid to buy, ask to sell)."""
    touched = touched or (low <= trigger if buy else high >= trigger)
    if not touched:
        return False, None
    return True, limit if (quote <= limit if buy else quote >= limit) else None
