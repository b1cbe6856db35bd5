"""What `plot` draws where, and which names are taken."""

from __future__ import annotations

import pytest

from llm_plugin.errors import AlgorithmError

DAY = """
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, 7)
    self.spy = self.add_equity('SPY', Resolution.MINUTE).symbol
    self.begin()

def begin(self):
    pass

def on_data(self, data):
    self.draw(data)
    self.quit()
"""


def charts(result):
    return result.run_state.charts


def test_a_symbol_names_a_chart_by_its_ticker(run):
    result = run(DAY + "\ndef draw(self, data):\n    self.plot(self.spy, 'Price', 5)\n")

    (time, value), *rest = charts(result)["SPY"].series["Price"].points()
    assert (value, rest) == (5, [])
    assert time.hour == 13


def test_a_series_without_a_chart_joins_the_equity_chart(run):
    """The engine's own series stay."""
    result = run(DAY + "\ndef draw(self, data):\n    self.plot('Mine', 7)\n")

    series = charts(result)["Strategy Equity"].series
    assert {"Equity", "Return", "Mine"} <= set(series)
    assert [value for _, value in series["Mine"].points()] == [7]


def test_four_prices_are_a_candle_with_and_without_a_chart(run):
    result = run(
        DAY
        + """
def draw(self, data):
    self.plot('Candle', 1, 3, 0.5, 2)
    self.plot('Chart', 'Candle', data.bars[self.spy])
"""
    )

    (alone,) = charts(result)["Strategy Equity"].series["Candle"].values
    (own,) = charts(result)["Chart"].series["Candle"].values
    assert (alone.open, alone.high, alone.low, alone.close) == (1, 3, alone.low, 2)
    assert own.high >= own.low > 100


def test_a_series_is_replaced_by_one_of_its_name(run):
    result = run(
        DAY
        + """
def begin(self):
    self.add_series('Chart', 'Dots', SeriesType.LINE)
    self.add_series('Chart', 'Dots', SeriesType.SCATTER, '%')

def draw(self, data):
    self.plot('Chart', 'Dots', 3)
"""
    )

    dots = charts(result)["Chart"].series["Dots"].to_json()
    assert (dots["seriesType"], dots["unit"], len(dots["values"])) == (1, "%", 1)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("self.plot('Strategy Equity', 'Equity', 1)", "'Equity' is a reserved series name of chart 'Strategy Equity'"),
        ("self.plot('Equity', 1)", "'Equity' is a reserved series name"),
        ("self.plot('Exposure', 'Mine', 1)", "reserved chart name: 'Exposure'"),
    ],
)
def test_names_of_the_engines_charts_are_refused(run, call, reason):
    with pytest.raises(AlgorithmError, match=reason):
        run(DAY + f"\ndef draw(self, data):\n    {call}\n")
