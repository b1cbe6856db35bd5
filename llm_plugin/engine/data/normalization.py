"""Prices adjusted for splits and dividends."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from llm_plugin.engine.base.enums import DataNormalizationMode, SecurityType
from llm_plugin.engine.base.money import CONTEXT, ONE, ZERO, round_half_even
from llm_plugin.engine.base.zones import DAY_US, EPOCH
from llm_plugin.engine.data.bar_columns import BarColumns
from llm_plugin.engine.data.map_files import FactorFile, load_factor_file
from llm_plugin.engine.market.market_hours import ExchangeHours, MarketHoursEntry, tradable_days
from llm_plugin.errors import UnsupportedLeanApi

_EPOCH_ORDINAL = EPOCH.toordinal()

__all__ = ["day_factors", "dividend_of", "dividends_since", "equity_normalization", "normalize_columns"]

_SPLITS = (DataNormalizationMode.SPLIT_ADJUSTED, DataNormalizationMode.TOTAL_RETURN)
_SUBSCRIBED = (DataNormalizationMode.RAW, DataNormalizationMode.ADJUSTED, *_SPLITS)
_MODES = (DataNormalizationMode.ADJUSTED, DataNormalizationMode.SCALED_RAW, *_SPLITS)


def equity_normalization(symbol: Any, mode: Any) -> DataNormalizationMode:
    """Return the mode of a subscription.

    Raises:
        UnsupportedLeanApi: Equities have no such mode.
    """
    chosen = DataNormalizationMode(mode)
    if symbol.security_type == SecurityType.EQUITY and chosen not in _SUBSCRIBED:
        text = "supported: Adjusted, SplitAdjusted, TotalReturn, Raw"
        raise UnsupportedLeanApi(f"DataNormalizationMode.{chosen}", text)
    return chosen


def dividend_of(old: Any, new: Any) -> Decimal:
    """Return the dividend between a factor row and the following one, in cents."""
    if old.price_factor == new.price_factor:
        return ZERO
    return round_half_even(old.reference_price * (ONE - CONTEXT.divide(old.price_factor, new.price_factor)), 2)


def dividends_since(factors: FactorFile, hours: ExchangeHours, first_day: int, last_day: int) -> dict[int, Decimal]:
    """Return ex-day -> dividend of the rows that a subscription from `first_day` (since 1970) passes."""
    days = tradable_days(hours, first_day, last_day)
    after = dict(pairwise(days))
    paid = {row.toordinal() - _EPOCH_ORDINAL: dividend_of(old, new) for row, old, new in factors.events()}
    return {after[row]: amount for row, amount in paid.items() if row in after and amount}


def day_factors(
    factors: FactorFile, days: list[int], mode: DataNormalizationMode, last_day: int | None = None
) -> list[Decimal]:
    """Return the factor of each day (since 1970); ScaledRaw prices are those of `last_day`.

    Raises:
        ValueError: The mode has no factors, or ScaledRaw comes without a last day.
    """
    if mode not in _MODES:
        known = ", ".join(str(item) for item in _MODES)
        raise ValueError(f"normalization {mode} is not known for equities; use Raw, {known}")
    look_up = factors.split_factor if mode in _SPLITS else factors.scale_factor
    values = [look_up(date.fromordinal(_EPOCH_ORDINAL + day)) for day in days]
    if mode == DataNormalizationMode.SCALED_RAW:
        if last_day is None:
            raise ValueError("ScaledRaw needs the last day of the request: it serves history only")
        at_end = look_up(date.fromordinal(_EPOCH_ORDINAL + last_day))
        values = [round(CONTEXT.divide(value, at_end), 20) if at_end != 1 else value for value in values]
    return values


def normalize_columns(
    columns: BarColumns,
    data_folder: Path,
    market: str,
    ticker: str,
    mode: DataNormalizationMode,
    entry: MarketHoursEntry,
    span: tuple[int, int] | None = None,
) -> BarColumns:
    """Multiply prices by the factor of each bar's date and divide sizes by it, to whole shares.

    Args:
        columns: The bars.
        data_folder: Root of the data.
        market: Market of the equity.
        ticker: Its ticker.
        mode: Adjusted, SplitAdjusted, TotalReturn or ScaledRaw.
        entry: Its market hours.
        span: First and last day of the subscription (since 1970): TotalReturn adds the dividends since the first.
    """
    if mode == DataNormalizationMode.TOTAL_RETURN and span is None:
        raise ValueError("TotalReturn needs the days of the subscription: its dividends are added from the first day")
    factors = load_factor_file(Path(data_folder), market, ticker)
    days = entry.exchange_hours.time_zone.locals(columns.start_us) // DAY_US
    # One day of each row of the file: all others of the row have its factor.
    until = np.array([row.day.toordinal() - _EPOCH_ORDINAL for row in factors.rows], dtype=np.int64)
    _, first, inverse = np.unique(np.searchsorted(until, days), return_index=True, return_inverse=True)
    values = day_factors(factors, days[first].tolist(), mode, span[1] if span is not None else None)
    # LEAN leaves prices of a factor of 1 alone: they keep their decimals.
    values = [ONE if value == 1 else value for value in values]
    places = np.array([max(0, -int(v.as_tuple().exponent)) for v in values], dtype=np.int64)
    most = int(places.max()) if len(places) else 0
    multiplier: Any = np.array([int(v.scaleb(most)) for v in values], dtype=object)
    multiplier = (multiplier if 10**most > 2**60 else multiplier.astype(np.int64))[inverse]
    ratio = np.array([float(v) for v in values])[inverse]
    digits = places.astype(np.uint8)[inverse]
    top = max((int(v.max()) for v in columns.exact.values() if len(v)), default=0)
    exact = columns.exact
    if top * int(multiplier.max() if len(multiplier) else 1) >= 2**63:
        # Python's integers are slow and never overflow.
        exact = {name: column.astype(object) for name, column in exact.items()}
        multiplier = multiplier.astype(object)
    scaled = BarColumns(
        columns.tick_type,
        columns.start_us,
        columns.end_us,
        columns.scale + most,
        {name: values_ * multiplier for name, values_ in exact.items()},
        {name: places_ + digits for name, places_ in columns.digits.items()},
        {name: np.round(sizes / ratio) for name, sizes in columns.sizes.items()},
        columns.sides,
    )
    if span is not None and mode == DataNormalizationMode.TOTAL_RETURN:
        _add_dividends(scaled, dividends_since(factors, entry.exchange_hours, *span), days)
    return scaled


def _add_dividends(columns: BarColumns, paid: dict[int, Decimal], days: Any) -> None:
    """Add what was paid up to each bar's day to its prices; a missing side of a quote stays missing."""
    if not paid:
        return
    if columns.scale < 2:
        by = 10 ** (2 - columns.scale)
        columns.exact = {name: values * by for name, values in columns.exact.items()}
        columns.scale = 2
    unique, inverse = np.unique(days, return_inverse=True)
    total = [sum((amount for day, amount in paid.items() if day <= at), ZERO) for at in unique.tolist()]
    extra: Any = np.array([int(amount.scaleb(columns.scale)) for amount in total], dtype=object)
    if all(values.dtype != object for values in columns.exact.values()):
        extra = extra.astype(np.int64)
    some = np.array([amount != 0 for amount in total])[inverse]
    for name, values in columns.exact.items():
        there = values != 0
        columns.exact[name] = np.where(there, values + extra[inverse], values)
        columns.digits[name] = np.where(some & there, np.maximum(columns.digits[name], 2), columns.digits[name])
