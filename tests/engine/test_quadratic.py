"""Quadratic programs and the optimizers on them: conditions of the best point, not figures of another program."""

from __future__ import annotations

import numpy as np
import pytest

from llm_plugin.engine.framework.optimizers import (
    MaximumSharpeRatioPortfolioOptimizer,
    MinimumVariancePortfolioOptimizer,
)
from llm_plugin.engine.framework.quadratic import Constraints, minimize_quadratic

SEEDS = range(12)


def returns(seed: int, size: int = 5) -> np.ndarray:
    """Sixty days of returns that move together, and earn something."""
    numbers = np.random.default_rng(seed)
    mixed = numbers.normal(0.001, 0.01, (60, size)) @ (np.eye(size) + 0.3 * numbers.normal(size=(size, size)))
    return mixed + 0.002


def improves(score, point: np.ndarray, allowed, seed: int) -> bool:
    """Whether a small step that keeps the constraints makes the score lower."""
    numbers = np.random.default_rng(seed)
    best = score(point) - 1e-9 * abs(score(point))
    steps = numbers.normal(size=(400, len(point)))
    return any(allowed(near) and score(near) < best for near in point + 1e-4 * (steps - steps.mean(axis=1)[:, None]))


def test_the_least_value_without_constraints_in_the_way_is_found():
    rows, values = np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([2.0, -5.0])

    found = minimize_quadratic(np.diag([1.0, 3.0]), Constraints(rows, values, 1))

    # By Lagrange: x1 = 3 x2, and both sum to 2.
    assert found == pytest.approx([1.5, 0.5])


def test_an_inequality_that_is_in_the_way_holds_with_equality():
    rows, values = np.array([[1.0, 1.0], [-1.0, 0.0]]), np.array([2.0, -1.0])

    found = minimize_quadratic(np.diag([1.0, 3.0]), Constraints(rows, values, 1))

    assert found == pytest.approx([1.0, 1.0])


def test_constraints_that_exclude_each_other_have_no_answer():
    rows = np.array([[1.0, 0.0], [-1.0, 0.0]])

    assert minimize_quadratic(np.eye(2), Constraints(rows, np.array([1.0, 1.0]))) is None
    assert minimize_quadratic(np.eye(2), Constraints(rows, np.array([1.0, 1.0]), 2)) is None


def test_risk_that_is_not_positive_has_no_answer():
    assert minimize_quadratic(np.ones((2, 2)), Constraints(np.ones((1, 2)), np.ones(1), 1)) is None


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 1), (0.05, 0.6)])
def test_the_weights_of_least_variance_keep_their_bounds_and_nothing_near_is_better(seed, low, high):
    data = returns(seed)
    mean, cov = data.mean(axis=0), np.cov(data.T)
    target = float(mean.mean())

    weights = MinimumVariancePortfolioOptimizer(low, high, target).optimize(data)

    assert np.abs(weights).sum() == pytest.approx(1)
    point = weights / weights.sum()
    assert mean @ point == pytest.approx(target)
    assert point.min() >= low - 1e-9
    assert point.max() <= high + 1e-9
    # Steps that change neither sum nor return.
    basis = np.linalg.svd(np.vstack([mean, np.ones(5)]))[2][2:]
    for step in np.random.default_rng(seed).normal(size=(200, len(basis))) @ basis:
        near = point + 1e-4 * step
        if near.min() >= low and near.max() <= high:
            assert near @ cov @ near >= point @ cov @ point * (1 - 1e-9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 1), (0.05, 0.6)])
def test_no_weights_near_those_of_the_highest_ratio_have_a_higher_one(seed, low, high):
    data = returns(seed)
    mean, cov = data.mean(axis=0) - 0.0001, np.cov(data.T)

    weights = MaximumSharpeRatioPortfolioOptimizer(low, high, 0.0001).optimize(data)

    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= low - 1e-9
    assert weights.max() <= high + 1e-9
    assert not improves(
        lambda w: -(mean @ w) / np.sqrt(w @ cov @ w),
        weights,
        lambda w: w.min() >= low and w.max() <= high,
        seed,
    )


def test_where_nothing_fits_all_weights_are_equal():
    data = returns(1, 4)

    assert MinimumVariancePortfolioOptimizer(0, 1, 5.0).optimize(data) == pytest.approx([0.25] * 4)
    assert MaximumSharpeRatioPortfolioOptimizer(0, 1, 1.0).optimize(data) == pytest.approx([0.25] * 4)


def test_given_moments_are_used_instead_of_the_returns():
    """Without bounds in the way the best ratio is proportional to the inverse covariance times the mean."""
    mean, cov = np.array([0.02, 0.01]), np.diag([0.04, 0.01])

    weights = MaximumSharpeRatioPortfolioOptimizer().optimize(returns(1, 2), mean, cov)

    assert weights == pytest.approx([1 / 3, 2 / 3])
