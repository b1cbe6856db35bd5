"""The deflated Sharpe ratio (Bailey and Lopez de Prado, 2014): is the best of many more than the best of many must be?

It uses the Sharpe ratio of a day, not an annualised one, and says how many trials it counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.runs.claims import MINIMUM_DAYS

__all__ = ["Deflated", "deflated_sharpe", "effective_trials", "sharpe"]

Floats = NDArray[np.float64]
SAME_CLUSTER_CORRELATION = 0.5


@dataclass(frozen=True, slots=True)
class Deflated:
    """Probability that an arm's true Sharpe ratio is above what the best of so many worthless trials would show.

    Attributes:
        probability: The deflated Sharpe ratio; None with a reason where it cannot be told.
        sharpe_day: Un-annualised Sharpe ratio of a day.
        threshold_day: Expected best Sharpe ratio of that many worthless trials.
        trials: How many were tried.
        effective_trials: After trials that move alike are counted once.
        days: Length of the series.
        reason: Why it cannot be told.
    """

    probability: float | None
    sharpe_day: float
    threshold_day: float
    trials: int
    effective_trials: int
    days: int
    reason: str = ""


def sharpe(returns: Floats) -> float:
    """Return the Sharpe ratio of a day over zero, 0 for a series that never moves."""
    spread = float(returns.std(ddof=1)) if returns.size > 1 else 0.0
    return float(returns.mean()) / spread if spread > 0 else 0.0


def effective_trials(series: Mapping[str, Floats]) -> int:
    """Count trials that move apart: series whose daily returns correlate above one half are one cluster."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    moving = [values for values in series.values() if values.std() > 0]
    if len(moving) < 2:
        return max(1, len(moving))
    correlation = np.clip(np.corrcoef(np.stack(moving)), -1, 1)
    distance = np.sqrt((1 - correlation) / 2)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform((distance + distance.T) / 2, checks=False), method="average")
    cut = math.sqrt((1 - SAME_CLUSTER_CORRELATION) / 2)
    return int(fcluster(tree, cut, criterion="distance").max())


def deflated_sharpe(returns: Floats, trials: Mapping[str, Floats], *, more_trials: int = 0) -> Deflated:
    """Return the deflated Sharpe ratio of a series.

    Args:
        returns: Daily returns of what is claimed.
        trials: Daily returns of everything that was tried on these days, the claimed one among them.
        more_trials: Further configurations that were tried on the same days and whose series are not here; each
            counts as one of its own.
    """
    from scipy.stats import kurtosis, norm, skew

    own, count = sharpe(returns), len(trials) + more_trials
    effective = effective_trials(trials) + more_trials
    spread = float(np.std([sharpe(values) for values in trials.values()], ddof=1)) if len(trials) > 1 else 0.0
    threshold = 0.0
    if effective > 1:
        gamma = 0.5772156649015329
        high = float(norm.ppf(1 - 1 / effective))
        higher = float(norm.ppf(1 - 1 / (effective * math.e)))
        threshold = spread * ((1 - gamma) * high + gamma * higher)
    days = int(returns.size)
    if days < MINIMUM_DAYS or returns.std() == 0:
        return Deflated(None, own, threshold, count, effective, days, "too few days, or a series that never moves")
    shape: Any = 1 - float(skew(returns)) * own + (float(kurtosis(returns, fisher=False)) - 1) / 4 * own**2
    if shape <= 0:
        return Deflated(None, own, threshold, count, effective, days, "its tails leave no error of the Sharpe ratio")
    probability = float(norm.cdf((own - threshold) * math.sqrt(days - 1) / math.sqrt(shape)))
    return Deflated(probability, own, threshold, count, effective, days)
