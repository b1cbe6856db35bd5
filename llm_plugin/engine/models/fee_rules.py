"""LEAN's fee rules as pure functions on plain numbers. Standard library only."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

__all__ = [
    "coinbase_fee_rates",
    "fxcm_forex_fee",
    "india_equity_fee",
    "interactive_brokers_cfd_fee",
    "interactive_brokers_equity_fee",
    "interactive_brokers_forex_fee",
    "interactive_brokers_india_fee",
]

Number = TypeVar("Number", float, Decimal)

_FXCM_CHEAP = frozenset({"EURUSD", "GBPUSD", "USDJPY", "USDCHF", "AUDUSD", "EURJPY", "GBPJPY"})
_FOREX_TIERS = ((1e9, "0.000020", "2"), (2e9, "0.000015", "1.5"), (5e9, "0.00001", "1.25"))
_COINBASE_STEPS = (
    (datetime(2019, 3, 23, 1, 30, tzinfo=UTC), "0.003", "0"),
    (datetime(2019, 10, 8, 0, 30, tzinfo=UTC), "0.0025", "0.0015"),
)
_COINBASE_LATER = ("0.008", "0.006")
_STABLE_CHANGE = datetime(2022, 6, 1, tzinfo=UTC)


def interactive_brokers_equity_fee(quantity: Number, trade_value: Number) -> Number:
    """Return USD: 0.005 per share, at least 1; otherwise at most 0.5 % of the trade value."""
    kind = type(quantity)
    fee = kind("0.005") * abs(quantity)
    if fee < 1:
        return kind("1")
    cap = kind("0.005") * abs(trade_value)
    return min(fee, cap)


def interactive_brokers_india_fee(quantity: Number, trade_value: Number) -> Number:
    """Return INR: 0.01 per share, at least 6; otherwise at most 20 times the trade value."""
    kind = type(quantity)
    fee = kind("0.01") * abs(quantity)
    if fee < 6:
        return kind("6")
    return min(fee, kind("20") * abs(trade_value))


def interactive_brokers_forex_fee(trade_value_usd: Number, monthly_usd: float = 0.0) -> Number:
    """Return USD: 0.2 basis points of the value, at least 2; cheaper from 1, 2 and 5 billion a month."""
    kind = type(trade_value_usd)
    rate, minimum = next(((r, m) for top, r, m in _FOREX_TIERS if monthly_usd <= top), ("0.000008", "1"))
    return max(kind(minimum), kind(rate) * abs(trade_value_usd))


def interactive_brokers_cfd_fee(trade_value: Number, quote_currency: str) -> Number:
    """Return quote currency: 0.002 % of the value, at least 1 (JPY 40, HKD 10)."""
    kind = type(trade_value)
    minimum = {"JPY": "40", "HKD": "10"}.get(quote_currency, "1")
    return max(kind(minimum), kind("0.00002") * abs(trade_value))


def fxcm_forex_fee(ticker: str, quantity: Number) -> Number:
    """Return account currency: 0.04 per 1000 units for the common pairs, else 0.06."""
    kind = type(quantity)
    return kind("0.04" if ticker in _FXCM_CHEAP else "0.06") * abs(quantity) / kind("1000")


def coinbase_fee_rates(
    moment_utc: datetime,
    stable_pair: bool = False,
    taker_now: Decimal | None = None,
    maker_now: Decimal | None = None,
) -> tuple[Decimal, Decimal]:
    """Return (taker, maker) as fractions of the trade value at an aware UTC time.

    Args:
        moment_utc: When the order was sent.
        stable_pair: A pair of two stable coins has lower rates.
        taker_now: Replaces the taker rate since October 2019 (another volume tier).
        maker_now: The same for makers.
    """
    if stable_pair:
        return (Decimal("0.001"), Decimal(0)) if moment_utc < _STABLE_CHANGE else (Decimal("0.00001"), Decimal(0))
    for until, taker, maker in _COINBASE_STEPS:
        if moment_utc < until:
            return Decimal(taker), Decimal(maker)
    return (
        Decimal(_COINBASE_LATER[0]) if taker_now is None else taker_now,
        Decimal(_COINBASE_LATER[1]) if maker_now is None else maker_now,
    )


def india_equity_fee(
    order_value: Decimal,
    brokerage_rate: str,
    max_brokerage: str,
    rates: tuple[str, str, str, str, str],
    stamp_on_exact_value: bool = False,
) -> Decimal:
    """Return INR: brokerage, transaction tax (sales), exchange charge, state tax, SEBI charge, stamp duty (buys).

    Args:
        order_value: Signed; negative for a sale.
        brokerage_rate: Fraction of the value.
        max_brokerage: Highest brokerage, INR.
        rates: Transaction tax, exchange charge, state tax on brokerage and exchange charge, SEBI, stamp duty.
        stamp_on_exact_value: Stamp duty on the value, not on the value rounded to paise.
    """
    transaction, exchange, state, sebi, stamp = (Decimal(rate) for rate in rates)
    value, cent = abs(order_value), Decimal("0.01")
    turnover = value.quantize(cent)
    wished, most = value * Decimal(brokerage_rate), Decimal(max_brokerage)
    brokerage = most if wished > most else wished.quantize(cent)
    charge = (turnover * exchange).quantize(cent)
    parts = [brokerage, charge, (state * (brokerage + charge)).quantize(cent), (turnover * sebi).quantize(cent)]
    if order_value < 0:
        parts.append((value * transaction).quantize(cent))
    else:
        parts.append(((value if stamp_on_exact_value else turnover) * stamp).quantize(cent))
    return sum(parts, Decimal(0)).quantize(cent)
