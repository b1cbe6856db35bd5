"""The formulas behind the printed statistics, over plain sequences of floats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from statistics import NormalDist

from llm_plugin.engine.base.money import ZERO, round_half_even, to_decimal

__all__ = [
    "annual_performance",
    "annual_variance",
    "compounding_annual_return",
    "covariance",
    "drawdown_metrics",
    "kurtosis",
    "mean",
    "probabilistic_sharpe_ratio",
    "skewness",
    "value_at_risk",
    "variance",
]


def mean(values: Sequence[float]) -> float:
    """The mean; NaN of nothing."""
    return _moment(tuple(values), 1) / len(values) if values else math.nan


@lru_cache(maxsize=64)
def _moment(values: tuple[float, ...], power: int) -> float:
    # One period asks for the same sums many times: variance, Sharpe ratio, value at risk.
    if power == 1:
        return math.fsum(values)
    middle = _moment(values, 1) / len(values)
    if power == 2:
        return math.fsum([(value - middle) * (value - middle) for value in values])
    return math.fsum([(value - middle) ** power for value in values])


def variance(values: Sequence[float]) -> float:
    """The sample variance; NaN with fewer than two values."""
    if len(values) < 2:
        return math.nan
    return _moment(tuple(values), 2) / (len(values) - 1)


def covariance(left: Sequence[float], right: Sequence[float]) -> float:
    """The sample covariance of two equally long sequences; NaN with fewer than two values."""
    if len(left) < 2:
        return math.nan
    middle_left, middle_right = mean(left), mean(right)
    pairs = zip(left, right, strict=True)
    return math.fsum([(x - middle_left) * (y - middle_right) for x, y in pairs]) / (len(left) - 1)


def _central(values: Sequence[float], power: int) -> float:
    return _moment(tuple(values), power)


def skewness(values: Sequence[float]) -> float:
    """The unbiased sample skewness; NaN with fewer than three values or no spread."""
    n = len(values)
    second = _central(values, 2) if n > 2 else 0.0
    if second == 0:
        return math.nan
    deviation = math.sqrt(second / (n - 1))
    return n / ((n - 1) * (n - 2)) * _central(values, 3) / deviation**3


def kurtosis(values: Sequence[float]) -> float:
    """The unbiased sample excess kurtosis; NaN with fewer than four values or no spread."""
    n = len(values)
    second = _central(values, 2) if n > 3 else 0.0
    if second == 0:
        return math.nan
    spread = second / (n - 1)
    scale = n * (n + 1) / ((n - 1) * (n - 2) * (n - 3))
    return scale * _central(values, 4) / spread**2 - 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))


def annual_variance(values: Sequence[float], days_per_year: int) -> float:
    """The sample variance per year; 0 where there is none."""
    result = variance(values)
    return 0.0 if math.isnan(result) else result * days_per_year


def annual_performance(values: Sequence[float], days_per_year: int) -> float:
    """The mean return, compounded over a year."""
    return float((mean(values) + 1) ** days_per_year - 1)


def compounding_annual_return(start: Decimal, end: Decimal, years: Decimal) -> Decimal:
    """The yearly growth that leads from start to end; 0 where it is not a number."""
    if years == 0 or start == 0:
        return ZERO
    try:
        result = (float(end) / float(start)) ** (1 / float(years)) - 1
    except (OverflowError, ZeroDivisionError):
        return ZERO
    if isinstance(result, complex) or not math.isfinite(result):
        return ZERO
    return to_decimal(result)


def probabilistic_sharpe_ratio(values: Sequence[float], days_per_year: int, annual_rate: float) -> float:
    """The probability that the true Sharpe ratio exceeds 1 per year; 0 where it cannot be judged."""
    spread = math.sqrt(variance(values)) if len(values) > 1 else math.nan
    observed = 0.0 if math.isnan(spread) or spread == 0 else (mean(values) - annual_rate / days_per_year) / spread
    skew, excess = skewness(values), kurtosis(values)
    inner = 1 - skew * observed + (excess - 1) / 4 * observed**2
    if math.isnan(inner) or inner < 0:
        return 0.0
    error = math.sqrt(inner / (len(values) - 1))
    if error == 0:
        return NormalDist().cdf(0.0)
    return NormalDist().cdf((observed - 1 / math.sqrt(days_per_year)) / error)


def value_at_risk(values: Sequence[float], days_per_year: int, confidence: float) -> Decimal:
    """The normal value at risk of one day, as a (negative) fraction with 3 decimals."""
    recent = values[-days_per_year:]
    spread = variance(recent)
    if math.isnan(spread):
        return ZERO
    middle = mean(recent)
    if spread == 0:
        return round_half_even(to_decimal(middle), 3)
    return round_half_even(to_decimal(NormalDist(middle, math.sqrt(spread)).inv_cdf(1 - confidence)), 3)


def drawdown_metrics(equity: Sequence[tuple[datetime, Decimal]]) -> tuple[Decimal, int]:
    """The largest drawdown (fraction, 3 decimals) and the longest recovery in whole days.

    A recovery lasts from the peak until its level is reached again; a drawdown that never recovers does not count.
    """
    if len(equity) < 2:
        return ZERO, 0
    peak_time, peak = equity[0]
    deepest = ZERO
    fell_from: datetime | None = None
    longest = 0.0
    for time, value in equity:
        if value >= peak:
            if fell_from is not None:
                longest = max(longest, (time - fell_from).total_seconds())
                fell_from = None
            peak_time, peak = time, value
        if peak == 0:
            return ZERO, 0
        change = value / peak - 1
        if change < 0:
            deepest = min(deepest, change)
            if fell_from is None:
                fell_from = peak_time
    return round_half_even(abs(deepest), 3), int(longest // 86400)
