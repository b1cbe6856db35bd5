"""Intervals for published gains: paired stationary block bootstrap on daily differences (Politis and Romano, 1994)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_plugin.errors import DataError

__all__ = ["Interval", "paired_gain", "pooled_gain"]

MINIMUM_DAYS = 20


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its two-sided bootstrap interval; None and a `reason` where it cannot be judged."""

    mean: float | None
    low: float | None
    high: float | None
    n: int
    level: float = 0.95
    block_days: float | None = None
    reason: str = ""

    @property
    def above_zero(self) -> bool:
        """True only if the whole interval is above zero."""
        return self.low is not None and self.low > 0


def paired_gain(
    treated: Sequence[float] | NDArray[np.float64],
    control: Sequence[float] | NDArray[np.float64],
    *,
    level: float = 0.95,
    repetitions: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the mean daily difference between two arms, day by day, with its interval.

    Args:
        treated: One figure a day (return, R or money), aligned with `control`.
        control: The same days of the other arm.
        level: Coverage of the two-sided percentile interval.
        repetitions: Bootstrap samples.
        seed: Seed of the resampling.

    Raises:
        DataError: The two series differ in length.
    """
    a, b = np.asarray(treated, dtype=np.float64), np.asarray(control, dtype=np.float64)
    if a.shape != b.shape:
        raise DataError(f"arms differ in length ({a.size} and {b.size} days): align them by date first")
    return _interval(a - b, level, repetitions, seed)


def pooled_gain(
    differences: Sequence[NDArray[np.float64]], *, level: float = 0.95, repetitions: int = 2000, seed: int = 0
) -> Interval:
    """Return the interval of daily differences pooled over seeds; blocks never cross from one seed to another.

    Each repetition resamples every seed's series by itself and averages the means weighted by length.
    """
    weights = [len(d) for d in differences]
    if not weights or min(weights) < MINIMUM_DAYS:
        return Interval(None, None, None, sum(weights), level, reason=f"fewer than {MINIMUM_DAYS} days in a seed")
    samples = [_resample_means(d, repetitions, seed + i)[0] for i, d in enumerate(differences)]
    means = np.average(np.stack(samples), axis=0, weights=weights)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(np.concatenate(differences).mean()), float(low), float(high), sum(weights), level)


def _interval(difference: NDArray[np.float64], level: float, repetitions: int, seed: int) -> Interval:
    n = difference.size
    if n < MINIMUM_DAYS:
        return Interval(None, None, None, n, level, reason=f"{n} days are too few (at least {MINIMUM_DAYS})")
    if not np.any(difference != difference[0]):
        value = float(difference[0])
        return Interval(value, value, value, n, level, reason="the arms differ by a constant")
    means, block = _resample_means(difference, repetitions, seed)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(difference.mean()), float(low), float(high), n, level, block)


def _resample_means(difference: NDArray[np.float64], repetitions: int, seed: int) -> tuple[NDArray[np.float64], float]:
    from arch.bootstrap import StationaryBootstrap, optimal_block_length

    length = float(optimal_block_length(difference)["stationary"].iloc[0])
    block = min(max(1.0, length if math.isfinite(length) else 1.0), difference.size / 3)
    sampler = StationaryBootstrap(block, difference, seed=seed)
    return np.asarray(sampler.apply(np.mean, repetitions)).ravel(), block
