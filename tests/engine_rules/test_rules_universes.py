"""Universes of set times: when they select, and what comes of the ticks past midnight."""

from __future__ import annotations

import pytest
from rule_table import rule
from tiny_market import DAY, source, steady

from llm_plugin.engine.results.files import order_json

SELECTED = """
def prepare(self):
    self.universe_settings.resolution = Resolution.{resolution}
    {settings}
    self.add_universe_selection(CustomUniverseSelectionModel("mine", self.select))

def select(self, time):
    self.stamp("select")
    return {tickers}
"""
DAYS = [("20131007", 10, 10, 10, 10, 1), ("20131008", 20, 20, 20, 20, 1), ("20131009", 30, 30, 30, 30, 1)]


def _prepared(tickers: str, resolution: str = "DAILY", settings: str = "pass") -> str:
    return SELECTED.format(tickers=tickers, resolution=resolution, settings=settings)


@rule("2.9")
@pytest.mark.parametrize(
    ("resolution", "settings", "times"),
    [
        # Without streams LEAN fills by the minute: days change that.
        ("DAILY", "pass", ["07 00:00", "07 00:00", "08 00:00"]),
        ("MINUTE", "pass", ["07 00:00", "08 00:00"]),
        ("DAILY", "self.universe_settings.fill_forward = False", ["07 00:00", "08 00:00"]),
    ],
    ids=["days", "minutes", "days that are not filled"],
)
def test_a_custom_universe_begins_anew_when_the_fill_resolution_changes(run, market, resolution, settings, times):
    market.days("xyz", DAYS)
    market.minutes("xyz", DAY, steady(10, count=1))
    seen = run(source("", _prepared('["XYZ"]', resolution, settings), last=8), market).algorithm.seen
    assert seen == [f"{time} select" for time in times]


@rule("2.9")
def test_orders_of_a_universe_that_began_anew_are_a_tick_past_midnight(run, market):
    """Python's times lack the tick, the order list has it; a fill at the bar's end is at the full second."""
    market.days("xyz", DAYS)
    body = """
def on_securities_changed(self, changes):
    self.stamp([str(self.utc_time), len(changes.added_securities)])
    if changes.removed_securities:
        self.liquidate("XYZ", "gone")

def on_data(self, data):
    if self.time.day == 7:
        self.market_order("XYZ", 10)
"""
    chosen = '["XYZ"] if time.day < 9 else []'
    result = run(source(body, _prepared(chosen), last=9), market)
    assert [item for item in result.algorithm.seen if "[" in item] == [
        "07 00:00 ['2013-10-07 04:00:00', 1]",
        "09 00:00 ['2013-10-09 04:00:00', 0]",
    ]
    first, second = (order_json(order) for order in result.orders)
    assert '"time":"2013-10-07T20:00:00Z"' in first
    assert '"tag":"gone"' in second
    assert '"time":"2013-10-09T04:00:00.0000001Z","createdTime":"2013-10-09T04:00:00.0000001Z"' in second


@rule("0.15", "2.9")
def test_a_tick_past_midnight_has_a_sample_of_its_own(run, market):
    """The daily sample is at midnight, the slice of the universe's selection a tick later."""
    market.days("xyz", DAYS)
    midnights = {}
    for resolution in ("DAILY", "MINUTE"):
        result = run(source("", _prepared('["XYZ"]', resolution), last=8), market)
        equity = result.run_state.charts["Strategy Equity"].series["Equity"].values
        seconds = [point.time.replace(microsecond=0) for point in equity]
        midnights[resolution] = [seconds.count(moment) for moment in sorted(set(seconds)) if moment.hour == 4]
    # The first day's slice at midnight says that the next sample is due later.
    assert midnights == {"DAILY": [1, 2], "MINUTE": [1, 1]}


@rule("2.7", "2.9")
def test_a_universe_that_began_anew_takes_no_bar_that_ends_at_its_midnight(run, market):
    """LEAN asks for the bars that end a tick past midnight or later."""
    hours = [("20131008 02:00", 1.1), ("20131008 03:00", 1.2), ("20131008 04:00", 1.3)]
    for pair in ("eurusd", "gbpusd"):
        market.forex_hours(pair, hours)
    prepare = """
def prepare(self):
    self.set_brokerage_model(BrokerageName.OANDA_BROKERAGE)
    self.universe_settings.resolution = Resolution.HOUR
    model = CustomUniverseSelectionModel(
        SecurityType.FOREX, "pairs", Market.OANDA, self.select, self.universe_settings, timedelta(1))
    self.add_universe_selection(model)

def select(self, time):
    return ["EURUSD"] if time.day < 8 else ["EURUSD", "GBPUSD"]

def on_data(self, data):
    self.stamp([f"{bar.symbol} {bar.close}" for bar in data.quote_bars.values() if not bar.is_fill_forward])
"""
    seen = run(source("", prepare, last=8), market).algorithm.seen
    # 4:00 of UTC is midnight of New York: of the second pair only what ends later comes.
    assert [item for item in seen if "USD" in item] == [
        "07 23:00 ['EURUSD 1.1']",
        "08 00:00 ['EURUSD 1.2']",
        "08 01:00 ['EURUSD 1.3', 'GBPUSD 1.3']",
    ]


@rule("2.9")
def test_a_universe_that_loses_its_last_hourly_security_begins_anew(run, market):
    """Without streams it is minutes again that are filled: a second selection on the day of the removal."""
    market.days("xyz", [(f"{day} 10:00", 10, 10, 10, 10, 1) for day in ("20131007", "20131008")], "hour")
    chosen = '["XYZ"] if time.day == 7 else []'
    seen = run(source("", _prepared(chosen, "HOUR"), last=9), market).algorithm.seen
    assert seen == [f"{day} 00:00 select" for day in ("07", "07", "08", "08", "09")]


@rule("2.7")
def test_what_is_added_by_hand_has_no_bar_of_that_moment(run, market):
    """It comes a tick after the slice that added it: the bars that end with the slice are over for it."""
    for ticker in ("xyz", "abc"):
        market.minutes(ticker, DAY, steady(10, count=4))
    prepare = """
def prepare(self):
    self.add_equity("XYZ", Resolution.MINUTE)
"""
    body = """
def on_data(self, data):
    self.stamp(sorted(str(symbol) for symbol in data.bars.keys()))
    if self.time.minute == 32:
        self.add_equity("ABC", Resolution.MINUTE)

def on_securities_changed(self, changes):
    if self.time.hour == 9:
        self.stamp([str(security.symbol) for security in changes.added_securities])
"""
    seen = run(source(body, prepare), market).algorithm.seen
    assert seen[:4] == [
        "07 09:31 ['XYZ']",
        "07 09:32 ['XYZ']",
        "07 09:32 ['ABC']",
        "07 09:33 ['ABC', 'XYZ']",
    ]


@rule("2.7")
def test_what_is_added_on_being_told_of_a_removal_comes_before_time_goes_on(run, market):
    for ticker in ("xyz", "abc"):
        market.minutes(ticker, DAY, steady(10, count=4))
    prepare = """
def prepare(self):
    self.add_equity("XYZ", Resolution.MINUTE)
"""
    body = """
def on_data(self, data):
    self.stamp(sorted(str(symbol) for symbol in data.bars.keys()))
    if self.time.minute == 32:
        self.remove_security("XYZ")

def on_securities_changed(self, changes):
    if changes.removed_securities:
        self.add_equity("ABC", Resolution.MINUTE)
"""
    seen = run(source(body, prepare), market).algorithm.seen
    assert seen[:3] == ["07 09:31 ['XYZ']", "07 09:32 ['XYZ']", "07 09:33 ['ABC']"]
