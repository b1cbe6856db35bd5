"""Portfolio construction: names of rebalancing rules."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from llm_plugin.engine.base.enums import Resolution
from llm_plugin.engine.framework import portfolio

NOW = datetime(2024, 1, 2, 15)


@pytest.mark.parametrize(
    "named",
    [{"resolution": Resolution.HOUR}, {"time_span": timedelta(hours=1)},
     {"rebalancing_func": lambda now: now + timedelta(hours=1)}],
)  # fmt: skip
def test_a_rebalancing_rule_may_have_the_name_of_its_kind(named):
    model = portfolio.InsightWeightingPortfolioConstructionModel(**named)

    model.refresh_rebalance(NOW)

    assert model._next_rebalance == NOW + timedelta(hours=1)


def test_a_second_rebalancing_rule_is_refused():
    with pytest.raises(TypeError, match="rebalancing rule once"):
        portfolio.EqualWeightingPortfolioConstructionModel(resolution=Resolution.DAILY, time_span=timedelta(1))
