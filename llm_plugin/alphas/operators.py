"""The operators of the alphas on numpy arrays of shape [days, names], oldest day first; NaN is "not known".

`lean-llm alphas export` copies them, as they stand here, into the algorithms that it writes: they are short, have no
helpers beyond each other, and use numpy and pandas only. Sums run from the oldest day to the newest, so that two
implementations can agree to the last bit and no tie hangs on the order of summation. docs/reference/alphas.md says what
was chosen where the paper leaves it open.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "Floats",
    "both",
    "choose",
    "co_moment",
    "correlation",
    "covariance",
    "decay_linear",
    "delay",
    "delta",
    "either",
    "equal",
    "finite",
    "ind_neutralize",
    "less",
    "log",
    "past",
    "power",
    "rank",
    "ratio",
    "scale",
    "signed_power",
    "stddev",
    "total",
    "ts_argmax",
    "ts_argmin",
    "ts_max",
    "ts_mean",
    "ts_min",
    "ts_product",
    "ts_rank",
    "ts_sum",
]

Floats: TypeAlias = NDArray[np.float64]


def finite(x: Floats) -> Floats:
    """What is no number is not known."""
    return np.where(np.isfinite(x), x, np.nan)


def ratio(x: Floats | float, y: Floats | float) -> Floats:
    """Divide; a division by zero is not known."""
    return x / np.where(y == 0, np.nan, y)


def log(x: Floats) -> Floats:
    """Natural logarithm; that of zero is not known."""
    return np.log(np.where(x > 0, x, np.nan))


def less(x: Floats | float, y: Floats | float) -> Floats:
    """1 where x < y, otherwise 0."""
    return np.where(np.isnan(x + y), np.nan, x < y)


def equal(x: Floats | float, y: Floats | float) -> Floats:
    """1 where x equals y, otherwise 0."""
    return np.where(np.isnan(x + y), np.nan, x == y)


def either(x: Floats, y: Floats) -> Floats:
    """1 where one of two conditions holds, otherwise 0."""
    return np.where(np.isnan(x + y), np.nan, (x != 0) | (y != 0))


def both(x: Floats, y: Floats) -> Floats:
    """1 where two conditions hold, otherwise 0."""
    return np.where(np.isnan(x + y), np.nan, (x != 0) & (y != 0))


def choose(condition: Floats, x: Floats | float, y: Floats | float) -> Floats:
    """x where the condition holds, otherwise y."""
    return np.where(np.isnan(condition), np.nan, np.where(condition != 0, x, y))


def rank(x: Floats) -> Floats:
    """Rank among the names of a day, from 1 / names to 1; ties share their mean."""
    return pd.DataFrame(x).rank(axis=1, pct=True).to_numpy()


def total(x: Floats) -> Floats:
    """Sum over the names of a day, those that are not known left out: shape [days, 1]."""
    return np.cumsum(np.nan_to_num(x), axis=1)[:, -1:]


def scale(x: Floats, size: float = 1.0) -> Floats:
    """Rescale a day so that its absolute values sum up to `size`."""
    return ratio(size * x, total(np.abs(x)))


def ind_neutralize(x: Floats, groups: NDArray[np.str_]) -> Floats:
    """Subtract from each name the mean of its group on that day."""
    neutral = np.full(x.shape, np.nan)
    for group in np.unique(groups):
        members = x[:, groups == group]
        neutral[:, groups == group] = members - ratio(total(members), total(np.isfinite(members)))
    return neutral


def signed_power(x: Floats, exponent: Floats | float) -> Floats:
    """Raise the size to a power and keep the sign."""
    return np.sign(x) * power(np.abs(x), exponent)


def power(x: Floats | float, y: Floats | float) -> Floats:
    """Raise x to the power of y; what is no finite number is not known."""
    return finite(np.where(np.isnan(x + y), np.nan, x**y))


def delay(x: Floats, days: int) -> Floats:
    """The value of `days` ago."""
    return np.vstack([np.full((days, x.shape[1]), np.nan), x])[: len(x)]


def delta(x: Floats, days: int) -> Floats:
    """Today's value less that of `days` ago."""
    return x - delay(x, days)


def past(x: Floats, days: int) -> Iterator[Floats]:
    """The values of the past days: the oldest first, today's last."""
    return (delay(x, lag) for lag in reversed(range(days)))


def ts_sum(x: Floats, days: int) -> Floats:
    """Sum of the past days."""
    return reduce(np.add, past(x, days))


def ts_mean(x: Floats, days: int) -> Floats:
    """Mean of the past days."""
    return ts_sum(x, days) / days


def ts_product(x: Floats, days: int) -> Floats:
    """Product of the past days."""
    return reduce(np.multiply, past(x, days))


def ts_min(x: Floats, days: int) -> Floats:
    """Smallest value of the past days."""
    return reduce(np.minimum, past(x, days))


def ts_max(x: Floats, days: int) -> Floats:
    """Largest value of the past days."""
    return reduce(np.maximum, past(x, days))


def ts_argmax(x: Floats, days: int) -> Floats:
    """Day of the largest value, the first of equals: 1 is the oldest of the past days, `days` is today."""
    return np.where(np.isnan(ts_sum(x, days)), np.nan, np.argmax(list(past(x, days)), axis=0) + 1)


def ts_argmin(x: Floats, days: int) -> Floats:
    """Day of the smallest value, the first of equals: 1 is the oldest of the past days, `days` is today."""
    return np.where(np.isnan(ts_sum(x, days)), np.nan, np.argmin(list(past(x, days)), axis=0) + 1)


def ts_rank(x: Floats, days: int) -> Floats:
    """Rank of today among the past days, from 1 / days to 1; ties share their mean."""
    place = sum((day < x) + (day == x) / 2 for day in past(x, days)) + 0.5
    return np.where(np.isnan(ts_sum(x, days)), np.nan, place / days)


def stddev(x: Floats, days: int) -> Floats:
    """Sample standard deviation of the past days; exactly 0 where nothing moves."""
    mean = ts_mean(x, days)
    squares = sum((day - mean) ** 2 for day in past(x, days))
    return np.where(ts_max(x, days) == ts_min(x, days), 0.0, np.sqrt(squares / (days - 1)))


def co_moment(x: Floats, y: Floats, days: int) -> Floats:
    """Mean product of both sides' deviations from their means of the past days, by days - 1."""
    mean_x, mean_y = ts_mean(x, days), ts_mean(y, days)
    pairs = zip(past(x, days), past(y, days), strict=True)
    return reduce(np.add, ((a - mean_x) * (b - mean_y) for a, b in pairs)) / (days - 1)


def covariance(x: Floats, y: Floats, days: int) -> Floats:
    """Sample covariance of the past days; exactly 0 where one side does not move."""
    size = stddev(x, days) * stddev(y, days)
    return np.where(size == 0, 0.0, co_moment(x, y, days))


def correlation(x: Floats, y: Floats, days: int) -> Floats:
    """Correlation of the past days to ten decimals; 0 where one side does not move."""
    size = stddev(x, days) * stddev(y, days)
    return np.where(size == 0, 0.0, np.round(co_moment(x, y, days) / size, 10))


def decay_linear(x: Floats, days: int) -> Floats:
    """Mean of the past days with weights that fall linearly from `days` for today to 1."""
    weighted = [weight * day for weight, day in enumerate(past(x, days), 1)]
    return reduce(np.add, weighted) / (days * (days + 1) / 2)
