"""Mean-variance and Black-Litterman portfolio construction: their figures by hand, and whole runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from llm_plugin.engine.base.enums import Resolution, SecurityType
from llm_plugin.engine.framework.allocation import (
    BlackLittermanOptimizationPortfolioConstructionModel,
    MeanVarianceOptimizationPortfolioConstructionModel,
)
from llm_plugin.engine.framework.insights import Insight, InsightDirection
from llm_plugin.engine.framework.portfolio import PortfolioBias
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.errors import AlgorithmError

NOW = datetime(2024, 1, 2, 15)
UP, DOWN = InsightDirection.UP, InsightDirection.DOWN


def symbol(ticker: str) -> Symbol:
    return Symbol(SecurityIdentifier(ticker, SecurityType.EQUITY, "usa"), ticker, ticker)


AAA, BBB = symbol("AAA"), symbol("BBB")


def insight(of: Symbol, direction: InsightDirection, magnitude: float | None, model: str = "alpha") -> Insight:
    made = Insight.price(of, timedelta(days=1), direction, magnitude, None, model)
    made.generated_time_utc, made.close_time_utc = NOW, NOW + timedelta(days=1)
    return made


class Recorder:
    """An optimizer that keeps what it was given."""

    def __init__(self, weights):
        self.weights = weights

    def optimize(self, historical_returns, expected_returns, covariance):
        self.given = historical_returns, expected_returns, covariance
        return self.weights


def algorithm(insights=()):
    settings = SimpleNamespace(
        min_absolute_portfolio_target_percentage=1e-10, max_absolute_portfolio_target_percentage=0.5
    )
    errors = []
    return SimpleNamespace(
        time=NOW, utc_time=NOW, settings=settings, errors=errors, error=errors.append,
        insights=SimpleNamespace(get_active_insights=lambda now: list(insights)),
    )  # fmt: skip


def prepared(model, insights, prices: dict[Symbol, list[float]]):
    """Give a model past prices, a day apart, and the insights."""
    model._algorithm = algorithm(insights)
    points = [
        SimpleNamespace(symbol=of, end_time=NOW - timedelta(days=len(values) - at), value=value)
        for of, values in prices.items()
        for at, value in enumerate(values)
    ]
    fake = SimpleNamespace(history_points=lambda symbols, count, resolution: points)
    model._start(fake, list(prices), lambda bar: bar.end_time)
    return model


PRICES = {AAA: [100.0, 110.0, 99.0, 108.9], BBB: [50.0, 45.0, 49.5, 49.5]}
# Newest first: the insight's magnitude, then the changes of the prices.
CHANGES = np.array([[0.02, 0.01], [0.1, 0.0], [-0.1, 0.1], [0.1, -0.1]])


def test_magnitudes_are_the_newest_returns_of_mean_variance():
    optimizer = Recorder([0.7, -0.3])
    given = [insight(AAA, UP, 0.02), insight(BBB, DOWN, 0.01)]
    model = prepared(MeanVarianceOptimizationPortfolioConstructionModel(optimizer=optimizer), given, PRICES)

    targets = model.determine_target_percent(model.get_target_insights())

    assert np.asarray(optimizer.given[0]) == pytest.approx(CHANGES)
    assert optimizer.given[1:] == (None, None)
    assert list(targets.values()) == [0.7, -0.3]


def test_weights_against_the_bias_are_zero():
    optimizer = Recorder([0.7, -0.3])
    given = [insight(AAA, UP, 0.02), insight(BBB, DOWN, 0.01)]
    model = MeanVarianceOptimizationPortfolioConstructionModel(
        portfolio_bias=PortfolioBias.LONG, optimizer=optimizer, rebalance_resolution=Resolution.HOUR
    )

    targets = prepared(model, given, PRICES).determine_target_percent(given)

    assert list(targets.values()) == [0.7, 0.0]


def test_securities_with_other_times_have_their_newest_returns_side_by_side():
    optimizer = Recorder([0.5, 0.5])
    given = [insight(AAA, UP, 0.02), insight(BBB, UP, 0.01)]
    model = prepared(MeanVarianceOptimizationPortfolioConstructionModel(optimizer=optimizer), given, {AAA: PRICES[AAA]})
    model._known[BBB] = type(model._known[AAA])(BBB, 1, 63)
    for at, value in enumerate(PRICES[BBB]):
        model._known[BBB].push(NOW - timedelta(days=30 - at), value)

    model.determine_target_percent(model.get_target_insights())

    assert np.asarray(optimizer.given[0]) == pytest.approx(CHANGES)


def test_a_magnitude_beyond_the_bounds_of_targets_is_left_out_and_told():
    given = [insight(AAA, UP, 0.6), insight(BBB, UP, 0.01)]
    model = prepared(MeanVarianceOptimizationPortfolioConstructionModel(optimizer=Recorder([1])), given, PRICES)

    assert [item.symbol for item in model.get_target_insights()] == [BBB]
    assert "magnitude 0.6 is outside of 1e-10..0.5" in model._algorithm.errors[0]


def test_an_insight_without_a_magnitude_is_an_error_of_mean_variance():
    model = prepared(MeanVarianceOptimizationPortfolioConstructionModel(), [insight(AAA, UP, None)], PRICES)

    with pytest.raises(ValueError, match="needs magnitudes, and the insight of alpha for AAA has none"):
        model.get_target_insights()


def test_equilibrium_returns_make_equal_weights_the_best():
    """They are the risk times equal weights, and earn with them what the securities earned."""
    model = BlackLittermanOptimizationPortfolioConstructionModel(risk_free_rate=0.01)

    mean, cov = model.get_equilibrium_returns(CHANGES)

    assert cov == pytest.approx(np.cov(CHANGES.T) * 252)
    earned = ((1 + CHANGES.mean(axis=0)) ** 252 - 1).mean() - 0.01
    assert mean.mean() == pytest.approx(earned)
    assert np.linalg.solve(cov, mean)[0] == pytest.approx(np.linalg.solve(cov, mean)[1])


def test_views_are_directions_times_magnitudes_by_the_larger_side():
    given = [insight(AAA, UP, 0.03), insight(BBB, DOWN, 0.01), insight(BBB, UP, 0.02, "other")]

    views, expected = BlackLittermanOptimizationPortfolioConstructionModel._views(given, [AAA, BBB])

    assert views == pytest.approx(np.array([[1.0, -1 / 3], [1.0, 0.0]]))
    assert expected == pytest.approx([0.03, 0.02])


@pytest.mark.parametrize("magnitude", [None, 0.0])
def test_a_model_without_a_view_stops_the_construction(magnitude):
    model = BlackLittermanOptimizationPortfolioConstructionModel(optimizer=Recorder([1]))

    assert model.determine_target_percent([insight(AAA, UP, magnitude)]) == {}


def test_one_view_moves_the_returns_half_way_and_adds_its_uncertainty():
    """With errors as large as the spread of the view, the gain is half of the scaled risk; by hand for one security."""
    model = BlackLittermanOptimizationPortfolioConstructionModel(tau=0.1, delta=2.0)

    mean, cov = model._posterior(np.array([0.04]), np.array([[0.09]]), np.array([[1.0]]), np.array([0.1]))

    assert mean == pytest.approx([0.04 + 0.5 * (0.1 - 0.04)])
    assert cov == pytest.approx(np.array([[(0.09 + 0.5 * 0.009) * 2.0]]))


RUN = """
from Portfolio.{model} import *

class Views(AlphaModel):
    def update(self, algorithm, data):
        sizes = (("SPY", 0.002), ("IBM", {magnitude}), ("AAPL", 0.004))
        return [Insight.price(name, timedelta(days=1), InsightDirection.UP, size) for name, size in sizes]

class Algorithm(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        for name in ("SPY", "IBM", "AAPL"):
            self.add_equity(name, Resolution.DAILY)
        self.set_alpha(Views())
        self.set_portfolio_construction({model}(Resolution.DAILY, PortfolioBias.LONG))
        self.set_execution(ImmediateExecutionModel())
"""


@pytest.mark.parametrize(
    "model",
    ["MeanVarianceOptimizationPortfolioConstructionModel", "BlackLittermanOptimizationPortfolioConstructionModel"],
)
def test_a_run_holds_the_weights_of_the_optimizer(run, model):
    result = run(source=RUN.format(model=model, magnitude="0.003"))

    holdings = [item.quantity for item in result.algorithm.portfolio.values()]
    assert any(holdings)
    assert min(holdings) >= 0
    invested = sum(item.holdings_value for item in result.algorithm.portfolio.values())
    assert invested == pytest.approx(100_000, rel=0.02)


def test_a_run_without_magnitudes_ends_with_the_reason(run):
    with pytest.raises(AlgorithmError, match=r"needs magnitudes.*IBM"):
        run(source=RUN.format(model="MeanVarianceOptimizationPortfolioConstructionModel", magnitude="None"))
