"""History in all its forms, ticker keys, indicator helpers and consolidation inside real runs."""

from __future__ import annotations

import pandas as pd
import pytest

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.history.frames import ticker_keys
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol, SymbolCache
from llm_plugin.errors import LeanLlmError


def at_close(body):
    """An algorithm that runs a body once, at midnight of 11 October 2013."""
    lines = "\n".join(f"        {line}" for line in body.strip("\n").splitlines())
    return f"""
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, 11)
    self.spy = self.add_equity('SPY', Resolution.MINUTE).symbol
    self.out = {{}}
    self.schedule.on(self.date_rules.on(2013, 10, 11), self.time_rules.midnight, self.look)

def look(self):
    spy = self.spy
    if True:
{lines}
"""


def test_daily_frames_end_at_the_close_and_have_sorted_columns(run):
    result = run(at_close("self.out['frame'] = self.history(spy, 3, Resolution.DAILY)"))
    frame = result.algorithm.out["frame"]
    assert list(frame.columns) == ["close", "high", "low", "open", "volume"]
    assert frame.index.names == ["symbol", "time"]
    assert [str(time) for time in frame.index.get_level_values(1)] == [
        "2013-10-08 16:00:00",
        "2013-10-09 16:00:00",
        "2013-10-10 16:00:00",
    ]
    assert frame["close"].iloc[0] == pytest.approx(143.078409768)


def test_minute_frames_join_trades_and_quotes(run):
    result = run(
        at_close(
            """
self.out['two'] = self.history([spy], 2, Resolution.MINUTE)
self.out['quotes'] = self.history(QuoteBar, spy, 2, Resolution.MINUTE)
self.out['span'] = self.history(spy, timedelta(days=1), Resolution.MINUTE)
self.out['dates'] = self.history(spy, datetime(2013, 10, 8), datetime(2013, 10, 9), Resolution.HOUR)
"""
        )
    )
    out = result.algorithm.out
    assert [str(time) for time in out["two"].index.get_level_values(1)] == [
        "2013-10-10 15:59:00",
        "2013-10-10 16:00:00",
    ]
    assert {"close", "volume", "askclose", "bidsize"} <= set(out["two"].columns)
    assert "volume" not in out["quotes"].columns
    assert out["quotes"]["close"].iloc[-1] == pytest.approx(
        (out["quotes"]["askclose"].iloc[-1] + out["quotes"]["bidclose"].iloc[-1]) / 2
    )
    assert len(out["span"]) == 390
    assert len(out["dates"]) == 7


def test_typed_histories_and_slices(run):
    result = run(
        at_close(
            """
self.out['bars'] = list(self.history[TradeBar](spy, 2, Resolution.DAILY))
self.out['many'] = [list(bars.values()) for bars in self.history[TradeBar]([spy], 2, Resolution.DAILY)]
self.out['slices'] = [(s.time, s[spy].close) for s in self.history(2, Resolution.DAILY)]
self.out['last'] = self.get_last_known_price(self.securities[spy]).end_time
self.out['empty'] = self.history(spy, datetime(2011, 1, 1), datetime(2011, 1, 2), Resolution.MINUTE).empty
"""
        )
    )
    out = result.algorithm.out
    assert [type(bar).__mro__[1].__name__ for bar in out["bars"]] == ["TradeBar", "TradeBar"]
    assert [len(bars) for bars in out["many"]] == [1, 1]
    assert [str(time) for time, _ in out["slices"]] == ["2013-10-09 16:00:00", "2013-10-10 16:00:00"]
    assert str(out["last"]) == "2013-10-10 16:00:00"
    assert out["empty"]


def test_history_never_shows_the_future(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            self.spy = self.add_equity('SPY', Resolution.MINUTE).symbol
            self.late = 0
            self.seen = 0

        def on_data(self, data):
            frame = self.history(self.spy, 5, Resolution.MINUTE)
            self.seen += 1
            self.late += int((frame.index.get_level_values(1) > self.time).sum())
        """
    )
    assert result.algorithm.seen > 300
    assert result.algorithm.late == 0


def test_frames_are_read_by_ticker_symbol_and_after_unstack(run):
    result = run(
        at_close(
            """
frame = self.history([spy, self.add_equity('AAPL', Resolution.DAILY).symbol], 3, Resolution.DAILY)
self.out['ticker'] = len(frame.loc['SPY'])
self.out['symbol'] = len(frame.loc[spy])
self.out['close'] = frame.loc['SPY'].close.iloc[-1] == frame.close.unstack(level=0)['SPY'].iloc[-1]
self.out['in'] = 'SPY' in frame.index
self.out['levels'] = len(frame.index.levels[0])
"""
        )
    )
    assert result.algorithm.out == {"ticker": 3, "symbol": 3, "close": True, "in": True, "levels": 2}


def test_ticker_keys_end_with_the_run():
    spy = Symbol(SecurityIdentifier("SPY", SecurityType.EQUITY, "usa"), "SPY", "SPY")
    cache = SymbolCache()
    cache.add("SPY", spy)
    frame = pd.DataFrame({"x": [1, 2]}, index=pd.Index([spy, "other"], dtype=object))
    before = pd.Index.get_loc
    with ticker_keys(cache.find):
        assert frame.loc["SPY"]["x"] == 1
        assert frame.loc["other"]["x"] == 2
        assert frame["x"].iloc[0] == 1
        assert "SPY" in frame.index
        with pytest.raises(KeyError):
            frame.loc["IBM"]
    assert pd.Index.get_loc is before


def test_bad_requests_are_refused(run):
    with pytest.raises(LeanLlmError, match=r"periods \| timedelta"):
        run(at_close("self.history(spy)"))
    with pytest.raises(LeanLlmError, match=r"can not be used with Resolution\.TICK"):
        run(at_close("self.history(spy, 5, Resolution.TICK)"))


def test_indicator_helpers_follow_their_resolution_and_name_themselves(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 11)
            spy = self.add_equity('SPY', Resolution.MINUTE).symbol
            self.minutes = self.sma(spy, 10)
            self.hours = self.EMA(spy, 3, Resolution.HOUR)
            self.days = self.sma('SPY', 2, Resolution.DAILY)
            self.highest = self.max(spy, 5, Resolution.DAILY)
            self.bands = self.bb(spy, 20, 2)
            self.typical = self.sma(spy, 5, Resolution.MINUTE, Field.TYPICAL)
            self.stochastic = self.sto(spy, 14)
            self.line = self.macd(spy, 12, 26, 9, MovingAverageType.EXPONENTIAL, Resolution.HOUR)
            self.seen = []
            self.days.updated += lambda sender, point: self.seen.append(self.time)
        """
    )
    algorithm = result.algorithm
    assert algorithm.minutes.name == "SMA(10,SPY_min)"
    assert algorithm.hours.name == "EMA(3,SPY_hr)"
    assert algorithm.days.samples == 5
    assert [str(time) for time in algorithm.seen][:2] == ["2013-10-07 16:00:00", "2013-10-08 16:00:00"]
    assert algorithm.minutes.samples == 5 * 390
    assert algorithm.hours.samples == 5 * 7
    assert algorithm.highest.current.value > algorithm.days.current.value
    assert algorithm.bands.is_ready
    assert algorithm.typical.is_ready
    assert algorithm.stochastic.is_ready
    assert algorithm.line.name == "MACD(12,26,9,SPY_hr)"


def test_warm_up_makes_indicators_ready_at_once(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            self.settings.automatic_indicator_warm_up = True
            spy = self.add_equity('SPY', Resolution.DAILY).symbol
            self.auto = self.sma(spy, 30)
            self.manual = SimpleMovingAverage(10)
            self.warm_up_indicator(spy, self.manual, Resolution.DAILY)
            self.history_of = self.indicator_history(BollingerBands(20, 2), spy, 50, Resolution.DAILY)
        """
    )
    algorithm = result.algorithm
    assert algorithm.auto.is_ready
    assert algorithm.manual.is_ready
    history = algorithm.history_of
    assert history.count == 50
    assert len(history["upper_band"]) == 50
    assert list(history.data_frame.columns)[:1] == ["current"]
    assert history[0].upper_band.value > history[0].lower_band.value


def test_registered_indicators_can_be_unregistered_and_custom_ones_registered(run):
    result = run(
        """
        class Last(PythonIndicator):
            def __init__(self):
                super().__init__()
                self.name, self.value = 'last', 0

            def update(self, bar):
                self.value = bar.close
                return True

        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 8)
            spy = self.add_equity('SPY', Resolution.HOUR).symbol
            self.kept, self.dropped, self.own = SimpleMovingAverage(2), SimpleMovingAverage(2), self.Last()
            for indicator in (self.kept, self.dropped, self.own):
                self.register_indicator(spy, indicator, Resolution.HOUR)
            self.by_consolidator = SimpleMovingAverage(2)
            consolidator = TradeBarConsolidator(timedelta(hours=2))
            self.register_indicator(spy, self.by_consolidator, consolidator)
            self.subscription_manager.add_consolidator(spy, consolidator)
            self.schedule.on(self.date_rules.on(2013, 10, 7), self.time_rules.at(12, 30), self.drop)

        def drop(self):
            self.unregister_indicator(self.dropped)
        """
    )
    algorithm = result.algorithm
    assert algorithm.kept.samples == 14
    assert algorithm.dropped.samples == 3
    assert algorithm.own.current.value == algorithm.own.value > 0
    assert algorithm.by_consolidator.samples in (7, 8)


def test_consolidate_by_time_calendar_and_count(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 11)
            spy = self.add_equity('SPY', Resolution.MINUTE).symbol
            self.five, self.days, self.weeks, self.count, self.quotes = [], [], [], [], []
            self.consolidate(spy, timedelta(minutes=5), self.five.append)
            self.consolidate('SPY', Resolution.DAILY, self.days.append)
            self.consolidate(spy, Calendar.WEEKLY, self.weeks.append)
            self.consolidate(TradeBar, spy, 100, self.count.append)
            self.consolidate(spy, timedelta(minutes=30), TickType.QUOTE, self.quotes.append)
        """
    )
    algorithm = result.algorithm
    assert len(algorithm.five) == 5 * 78
    assert [str(bar.end_time) for bar in algorithm.days] == [f"2013-10-{day:02d} 16:00:00" for day in range(7, 12)]
    assert algorithm.weeks == []
    assert len(algorithm.count) == 19
    assert all(type(bar).__name__ == "QuoteBar" for bar in algorithm.quotes)
    assert len(algorithm.quotes) >= 5 * 13


def test_consolidating_to_shorter_bars_is_refused(run):
    with pytest.raises(LeanLlmError, match="registered for Daily data"):
        run(
            """
            def initialize(self):
                self.set_start_date(2013, 10, 7)
                self.set_end_date(2013, 10, 8)
                self.add_equity('SPY', Resolution.DAILY)
                self.sma('SPY', 5, Resolution.MINUTE)
            """
        )


def test_user_plots_reach_the_result(run, tmp_path):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 8)
            spy = self.add_equity('SPY', Resolution.HOUR).symbol
            self.plot_indicator('Averages', self.sma(spy, 2))

        def on_data(self, data):
            self.plot('Mine', 'price', data['SPY'].close)
        """,
        results_folder=tmp_path / "out",
    )
    charts = result.run_state.charts
    assert len(charts["Mine"].series["price"].values) == 14
    assert "SMA(2,SPY_hr)" in charts["Averages"].series
    assert {"Strategy Equity", "Benchmark", "Drawdown", "Exposure", "Capacity"} <= set(charts)
