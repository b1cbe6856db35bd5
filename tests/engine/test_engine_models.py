"""Market impact, optimizers, mean reversion and .NET's JSON by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from llm_plugin.engine.base.net_json import JsonConvert
from llm_plugin.engine.base.net_types import Random
from llm_plugin.engine.framework.optimizers import (
    RiskParityPortfolioOptimizer,
    UnconstrainedMeanVariancePortfolioOptimizer,
)
from llm_plugin.engine.framework.portfolio import PortfolioBias
from llm_plugin.engine.framework.reversion import MeanReversionPortfolioConstructionModel, on_simplex
from llm_plugin.engine.models.market_impact import MarketImpactSlippageModel
from llm_plugin.errors import UnsupportedLeanApi


def test_random_numbers_are_those_of_dotnet():
    """`new Random(0)` and `new Random(50)` of .NET: their first numbers."""
    zero = Random(0)
    assert [round(zero.next_double(), 12) for _ in range(3)] == [0.726243269968, 0.817325359591, 0.768022689395]
    assert all(0 <= Random(seed).next_double() < 1 for seed in range(50))


@pytest.mark.parametrize("name", ["latency", "impact_time"])
def test_market_impact_needs_time(name):
    with pytest.raises(ValueError, match="must be above 0 seconds"):
        MarketImpactSlippageModel(None, **{name: 0})


def test_market_impact_says_that_it_is_near_leans_only(run):
    result = run("""
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, 11)
    self.add_equity('SPY', Resolution.DAILY).set_slippage_model(MarketImpactSlippageModel(self))

def on_data(self, data):
    self.market_order('SPY', 10)
""")

    assert sum(event.exact_fill_quantity != 0 for event in result.order_events) > 1
    assert sum("MarketImpactSlippageModel is near LEAN's, not equal" in line for line in result.log_lines) == 1


def test_risk_parity_of_uncorrelated_returns_is_inverse_volatility():
    cov = np.diag([0.04, 0.01])
    weights = RiskParityPortfolioOptimizer().optimize(pd.DataFrame({"a": [0, 1], "b": [1, 0]}), covariance=cov)

    assert weights == pytest.approx([1 / 3, 2 / 3])


def test_risk_parity_shares_the_risk_by_budget_and_is_equal_without_risk():
    cov = np.array([[0.04, 0.012], [0.012, 0.01]])
    frame = pd.DataFrame({"a": [0, 1], "b": [1, 0]})
    weights = RiskParityPortfolioOptimizer().optimize(frame, budget=[0.75, 0.25], covariance=cov)
    shares = weights * (cov @ weights)

    assert shares / shares.sum() == pytest.approx([0.75, 0.25])
    assert list(RiskParityPortfolioOptimizer().optimize(frame, covariance=np.zeros((2, 2)))) == [0.5, 0.5]


def test_unconstrained_mean_variance_by_hand():
    cov = np.diag([0.5, 0.25])
    weights = UnconstrainedMeanVariancePortfolioOptimizer().optimize(np.zeros((2, 2)), [0.1, 0.1], cov)

    assert list(weights) == pytest.approx([0.2, 0.4])


def test_simplex_projection_by_hand():
    assert list(on_simplex([0.5, 0.5])) == [0.5, 0.5]
    assert list(on_simplex([1.5, 0.5])) == [1.0, 0.0]
    assert list(on_simplex([0.9, 0.5])) == pytest.approx([0.7, 0.3])
    with pytest.raises(ValueError, match="cannot sum to 0"):
        on_simplex([1.0], 0)


def test_mean_reversion_needs_long_positions():
    with pytest.raises(ValueError, match="needs long positions"):
        MeanReversionPortfolioConstructionModel(portfolio_bias=PortfolioBias.SHORT)


def test_json_of_the_same_values_is_the_same_and_of_strange_objects_is_refused():
    assert JsonConvert.SerializeObject({"a": [1, None, True]}) == '{"a": [1, null, true]}'
    assert JsonConvert.deserialize_object('{"a": 1}') == {"a": 1}
    with pytest.raises(UnsupportedLeanApi, match="of a complex"):
        JsonConvert.serialize_object(1j)
