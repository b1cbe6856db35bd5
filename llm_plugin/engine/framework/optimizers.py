"""Portfolio optimizers: from past returns to weights. Pure numpy."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from llm_plugin.engine.base.names import LeanObject

__all__ = ["RiskParityPortfolioOptimizer", "UnconstrainedMeanVariancePortfolioOptimizer"]

_SMALLEST = 1e-05
_STEPS = 200
_TOLERANCE = 1e-12


class RiskParityPortfolioOptimizer(LeanObject):
    """Weights with which every security contributes its share of the risk (its budget).

    Args:
        minimum_weight: Lower bound, at least 0.00001.
        maximum_weight: Upper bound.
    """

    def __init__(self, minimum_weight: float = _SMALLEST, maximum_weight: float = sys.float_info.max) -> None:
        self.minimum_weight = max(minimum_weight, _SMALLEST)
        self.maximum_weight = max(maximum_weight, minimum_weight)

    def optimize(self, historical_returns: Any, budget: Any = None, covariance: Any = None) -> Any:
        """Return the weights; equal ones where the returns have no risk."""
        size = historical_returns.shape[1]
        equal = np.full(size, 1.0 / size)
        cov = np.atleast_2d(np.cov(np.asarray(historical_returns).T) if covariance is None else np.asarray(covariance))
        shares = equal if budget is None else np.asarray(budget, dtype=float).flatten()
        weights = _newton(cov, shares, equal)
        if weights is None:
            return equal
        return np.clip(weights / weights.sum(), self.minimum_weight, self.maximum_weight)


def _newton(cov: Any, shares: Any, start: Any) -> Any:
    """Minimize w'Cw/2 - b'log(w), which is convex: its minimum has the wished risk shares."""
    if not np.all(np.isfinite(cov)) or not np.any(cov):
        return None
    weights = start.copy()
    for _ in range(_STEPS):
        gradient = cov @ weights - shares / weights
        step = np.linalg.solve(cov + np.diag(shares / weights**2), gradient)
        scale = 1.0
        while np.any(weights - scale * step <= 0):
            scale *= 0.5
        weights = weights - scale * step
        if float(np.max(np.abs(scale * step))) < _TOLERANCE * float(np.max(weights)):
            return weights
    return None


class UnconstrainedMeanVariancePortfolioOptimizer(LeanObject):
    """Mean returns times the inverse covariance."""

    def optimize(self, historical_returns: Any, expected_returns: Any = None, covariance: Any = None) -> Any:
        """Return the weights; they need not sum to one."""
        returns = np.asarray(historical_returns)
        mean = returns.mean(axis=0) if expected_returns is None else np.asarray(expected_returns)
        cov = np.cov(returns.T) if covariance is None else np.asarray(covariance)
        return mean @ np.linalg.inv(np.atleast_2d(cov))
