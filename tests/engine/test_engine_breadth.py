"""Advance/decline indicators and sums that lose nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.data.bars import TradeBar
from llm_plugin.engine.indicators import (
    AdvanceDeclineDifference,
    AdvanceDeclineRatio,
    AdvanceDeclineVolumeRatio,
    ArmsIndex,
    SimpleMovingAverage,
)
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol

START = datetime(2013, 10, 7, 9, 30)
MINUTE = timedelta(minutes=1)
NAMES = ("AAA", "BBB", "CCC")
SYMBOLS = {name: Symbol(SecurityIdentifier(name, SecurityType.EQUITY, "usa"), name) for name in NAMES}


def feed(indicator: object, periods: list[dict[str, tuple[float, float]]]) -> None:
    """Feed (close, volume) by name, period after period."""
    for symbol in SYMBOLS.values():
        indicator.add(symbol)
    for at, period in enumerate(periods):
        for name, (close, volume) in period.items():
            bar = TradeBar(START + MINUTE * at, SYMBOLS[name], close, close, close, close, volume, MINUTE)
            indicator.update(bar)


# Two rise (volume 30 and 30), one falls (volume 20).
PERIODS = [
    {"AAA": (10, 1), "BBB": (10, 1), "CCC": (10, 1)},
    {"AAA": (11, 30), "BBB": (12, 30), "CCC": (9, 20)},
]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (AdvanceDeclineRatio, 2 / 1),
        (AdvanceDeclineVolumeRatio, 60 / 20),
        (AdvanceDeclineDifference, 2 - 1),
        (ArmsIndex, (2 / 1) / (60 / 20)),
    ],
)
def test_breadth_compares_with_the_period_before(kind, expected):
    indicator = kind()
    assert not indicator.is_ready

    feed(indicator, PERIODS)

    assert indicator.is_ready
    assert indicator.current.value == pytest.approx(expected)


def test_without_falling_symbols_the_ratio_is_the_number_of_rising_ones():
    indicator = AdvanceDeclineRatio()
    feed(indicator, [PERIODS[0], {name: (11, 5) for name in NAMES}])

    assert indicator.current.value == 3


def test_a_period_counts_once_all_symbols_have_a_bar():
    indicator = AdvanceDeclineRatio()
    feed(indicator, [PERIODS[0], {"AAA": (11, 5), "BBB": (11, 5)}])

    assert indicator.current.value == 0


def test_reset_keeps_the_symbols():
    indicator = ArmsIndex()
    feed(indicator, PERIODS)
    indicator.Reset()
    assert not indicator.is_ready

    feed(indicator, PERIODS)

    assert indicator.current.value == pytest.approx(2 / 3)


def test_a_mean_of_equal_prices_is_that_price_whatever_came_before():
    """Plain float sums drift: an algorithm that compares the mean with the price would then trade."""
    average = SimpleMovingAverage(10)
    for at in range(500):
        average.update(START + MINUTE * at, 144.0 + at * 0.0347)
    for at in range(500, 510):
        average.update(START + MINUTE * at, 144.97788082)

    assert average.current.value == 144.97788082


def test_the_trin_helper_registers_for_all_symbols(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            spy, ibm = self.add_equity('SPY', Resolution.MINUTE), self.add_equity('IBM', Resolution.MINUTE)
            self.trin1 = self.TRIN([spy.symbol, ibm.symbol], Resolution.HOUR)
            self.seen = [len(self.trin1.consolidators), self.trin1.name]
            self.unregister_indicator(self.trin1)
            self.seen.append(len(self.trin1.consolidators))
        """
    )

    assert result.algorithm.seen == [2, "TRIN(hr)", 0]
