"""Bars for feature tests: real ones from the project's sample, and random walks."""

from __future__ import annotations

from datetime import date

import pytest
from feature_bars import to_price_bars

from llm_plugin.features.reference import BarColumns, bar_columns


@pytest.fixture(scope="session")
def eurusd(market_data) -> BarColumns:
    """1,500 real hours of EURUSD, quotes only."""
    from llm_plugin.data.bars import load_price_bars

    bars = load_price_bars(
        market_data,
        security_type="forex",
        market="oanda",
        ticker="EURUSD",
        resolution="hour",
        start=date(2008, 9, 1),
        end=date(2008, 12, 20),
    )
    return bar_columns(bars).head(1500)


@pytest.fixture(scope="session")
def spy(market_data) -> BarColumns:
    """1,200 real hours of SPY, trades with volume and no spread."""
    from llm_plugin.data.bars import load_price_bars

    bars = load_price_bars(
        market_data,
        security_type="equity",
        market="usa",
        ticker="SPY",
        resolution="hour",
        start=date(2010, 1, 1),
        end=date(2011, 3, 1),
    )
    return bar_columns(bars).head(1200)


@pytest.fixture
def price_bars():
    """Columns to a list of `PriceBar`."""
    return to_price_bars
