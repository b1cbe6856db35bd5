"""Portfolio optimizers: from past returns to weights. Pure numpy."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.framework.quadratic import Constraints, minimize_quadratic

__all__ = [
    "MaximumSharpeRatioPortfolioOptimizer",
    "MinimumVariancePortfolioOptimizer",
    "RiskParityPortfolioOptimizer",
    "UnconstrainedMeanVariancePortfolioOptimizer",
]

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


def _moments(historical_returns: Any, expected_returns: Any, covariance: Any) -> tuple[Any, Any]:
    """Mean and covariance: those given, else those of the returns."""
    returns = np.asarray(historical_returns, dtype=float)
    mean = returns.mean(axis=0) if expected_returns is None else np.asarray(expected_returns, dtype=float).flatten()
    cov = np.cov(returns.T) if covariance is None else np.asarray(covariance, dtype=float)
    return mean, np.atleast_2d(cov)


class MinimumVariancePortfolioOptimizer(LeanObject):
    """The weights of least variance that reach a return; then scaled so that their sizes sum to one.

    Args:
        minimum_weight: Lower bound of a weight.
        maximum_weight: Upper bound of a weight.
        target_return: What the weights must return.
    """

    def __init__(self, minimum_weight: float = -1, maximum_weight: float = 1, target_return: float = 0.02) -> None:
        self.minimum_weight, self.maximum_weight, self.target_return = minimum_weight, maximum_weight, target_return

    def optimize(self, historical_returns: Any, expected_returns: Any = None, covariance: Any = None) -> Any:
        """Return the weights; equal ones where nothing reaches the return within the bounds."""
        mean, cov = _moments(historical_returns, expected_returns, covariance)
        size = len(cov)
        one = np.eye(size)
        rows = np.vstack([mean, np.ones(size), one, -one])
        bounds = [self.minimum_weight] * size + [-self.maximum_weight] * size
        found = minimize_quadratic(cov, Constraints(rows, np.array([self.target_return, 1.0, *bounds]), 2))
        total = 0.0 if found is None else float(np.abs(found).sum())
        return found / total if total else np.full(size, 1.0 / size)


class MaximumSharpeRatioPortfolioOptimizer(LeanObject):
    """The weights with the highest return above the risk-free rate per unit of deviation; they sum to one.

    Args:
        minimum_weight: Lower bound of a weight.
        maximum_weight: Upper bound of a weight.
        risk_free_rate: Return without risk.
    """

    def __init__(self, minimum_weight: float = -1, maximum_weight: float = 1, risk_free_rate: float = 0) -> None:
        self.minimum_weight, self.maximum_weight, self.risk_free_rate = minimum_weight, maximum_weight, risk_free_rate

    def optimize(self, historical_returns: Any, expected_returns: Any = None, covariance: Any = None) -> Any:
        """Return the weights; equal ones where no weights within the bounds earn more than the risk-free rate."""
        mean, cov = _moments(historical_returns, expected_returns, covariance)
        excess, size = mean - self.risk_free_rate, len(cov)
        equal = np.full(size, 1.0 / size)
        if not np.any(excess > 0 if self.minimum_weight >= 0 else excess != 0):
            return equal
        # Charnes and Cooper: with y = k w the ratio is highest where y of excess 1 has the least variance.
        one, all_ones = np.eye(size), np.ones((size, size))
        rows = np.vstack([excess, one - self.minimum_weight * all_ones, self.maximum_weight * all_ones - one])
        found = minimize_quadratic(cov, Constraints(rows, np.array([1.0, *[0.0] * (2 * size)]), 1))
        total = 0.0 if found is None else float(found.sum())
        return found / total if total > 0 else equal
