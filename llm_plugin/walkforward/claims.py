"""What one arm of a walk-forward gained over another: net return and Sharpe with intervals, and the deflated Sharpe.

Differences are paired by day and resampled in blocks (stationary bootstrap).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_plugin.errors import DataError
from llm_plugin.runs.claims import MINIMUM_DAYS, Interval, paired_gain, pooled_gain
from llm_plugin.runs.deflated import Deflated, deflated_sharpe, effective_trials, sharpe

__all__ = ["Deflated", "Gain", "deflated_sharpe", "effective_trials", "gain_over", "pooled_over", "sharpe"]

Floats = NDArray[np.float64]
REPETITIONS = 2000


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better an arm did than a control; both intervals are two-sided, 95 %.

    Attributes:
        arm: The treated arm.
        control: The arm it is compared with.
        net_return: Mean difference of a day.
        sharpe: Difference of the Sharpe ratios of a day.
    """

    arm: str
    control: str
    net_return: Interval
    sharpe: Interval

    @property
    def verdict(self) -> str:
        """`gained`, `lost` or `no difference shown`, by both intervals; `cannot be judged` where there is none."""
        pair = (self.net_return, self.sharpe)
        if any(interval.low is None or interval.high is None for interval in pair):
            return "cannot be judged"
        if all(interval.low is not None and interval.low > 0 for interval in pair):
            return "gained"
        if all(interval.high is not None and interval.high < 0 for interval in pair):
            return "lost"
        return "no difference shown"


def gain_over(arm: str, treated: Floats, control: str, other: Floats, *, seed: int = 0) -> Gain:
    """Compare two arms of one run.

    Args:
        arm: Name of the treated arm.
        treated: Its daily returns.
        control: Name of the control.
        other: Daily returns of the control on the same days.
        seed: Of the resampling.

    Raises:
        DataError: The series differ in length.
    """
    net = paired_gain(treated, other, repetitions=REPETITIONS, seed=seed)
    return Gain(arm, control, net, _sharpe_interval([(treated, other)], seed))


def pooled_over(arm: str, control: str, pairs: Sequence[tuple[Floats, Floats]], *, seed: int = 0) -> Gain:
    """Compare two arms over several independent runs: blocks never cross from one to the next.

    Args:
        arm: Name of the treated arm.
        control: Name of the control.
        pairs: Daily returns of both, one pair a run.
        seed: Of the resampling.
    """
    with np.errstate(invalid="ignore", divide="ignore"):  # no difference at all has no autocorrelation
        net = pooled_gain([treated - other for treated, other in pairs], repetitions=REPETITIONS, seed=seed)
    return Gain(arm, control, net, _sharpe_interval(pairs, seed))


def _sharpe_interval(pairs: Sequence[tuple[Floats, Floats]], seed: int, level: float = 0.95) -> Interval:
    """Return the mean over runs of the difference of Sharpe ratios, every run resampled by itself."""
    days = sum(treated.size for treated, _ in pairs)
    for treated, other in pairs:
        if treated.shape != other.shape:
            raise DataError(f"arms differ in length ({treated.size} and {other.size} days): align them by date first")
    if not pairs or min(treated.size for treated, _ in pairs) < MINIMUM_DAYS:
        return Interval(None, None, None, days, level, reason=f"fewer than {MINIMUM_DAYS} days")
    mean = float(np.mean([sharpe(treated) - sharpe(other) for treated, other in pairs]))
    if all(np.array_equal(treated, other) for treated, other in pairs):
        return Interval(0.0, 0.0, 0.0, days, level, reason="the arms are the same")
    samples = np.mean([_resampled(*pair, seed + place) for place, pair in enumerate(pairs)], axis=0)
    tail = (1 - level) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Interval(mean, float(low), float(high), days, level)


def _resampled(treated: Floats, other: Floats, seed: int) -> Floats:
    """Return differences of Sharpe ratios over stationary block resamples of both series together."""
    from arch.bootstrap import StationaryBootstrap, optimal_block_length

    with np.errstate(invalid="ignore", divide="ignore"):
        length = float(optimal_block_length(treated - other)["stationary"].iloc[0])
    block = min(max(1.0, length if math.isfinite(length) else 1.0), treated.size / 3)
    moments = np.column_stack([treated, treated**2, other, other**2])
    sampler = StationaryBootstrap(block, moments, seed=seed)
    means = np.asarray(sampler.apply(lambda rows: rows.mean(axis=0), REPETITIONS))
    ratios = [_ratio(means[:, place], means[:, place + 1], treated.size) for place in (0, 2)]
    return np.asarray(ratios[0] - ratios[1], dtype=np.float64)


def _ratio(mean: Floats, square: Floats, days: int) -> Floats:
    """Return Sharpe ratios from first and second moments, 0 where nothing moves."""
    spread = np.sqrt(np.maximum(square - mean**2, 0.0) * days / (days - 1))
    return np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 1e-12)
