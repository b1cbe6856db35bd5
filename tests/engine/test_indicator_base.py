"""Windows, events, composition, Python indicators, both spellings."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from llm_plugin.engine import indicators as lib
from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.events import EventHandler
from llm_plugin.engine.base.names import pascal
from llm_plugin.engine.data.bars import TradeBar
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.engine.user_errors import translate
from llm_plugin.errors import UnsupportedLeanApi

START = datetime(2024, 1, 2, 9, 30)
MINUTE = timedelta(minutes=1)
SPY = Symbol(SecurityIdentifier("SPY", SecurityType.EQUITY, "usa"), "SPY", "SPY")


def bar(n, close, volume=1.0):
    return TradeBar(START + n * MINUTE, SPY, close, close + 1, close - 1, close, volume, MINUTE)


def test_rolling_window_keeps_the_newest_first():
    window = lib.RollingWindow[int](3)
    for value in (1, 2, 3, 4):
        window.add(value)
    assert (window[0], window[1], window[2], window[-1]) == (4, 3, 2, 2)
    assert list(window) == [4, 3, 2]
    assert window.is_ready
    assert window.count == 3
    assert window.samples == 4
    assert window.most_recently_removed == 1


def test_rolling_window_gives_none_for_unfilled_places_and_grows_beyond_its_size():
    window = lib.RollingWindow(2)
    window.add("a")
    assert window[1] is None
    assert not window.is_ready
    assert window[4] is None
    assert window.size == 5
    with pytest.raises(IndexError, match="-6"):
        window[-6]
    with pytest.raises(ValueError, match="at least 1, not 0"):
        lib.RollingWindow(0)


def test_rolling_window_has_removed_nothing_before_it_is_full():
    window = lib.RollingWindow(2)
    window.Add(1)
    window.Add(2)
    with pytest.raises(ValueError, match="No items have been removed"):
        _ = window.MostRecentlyRemoved
    window[0] = 9
    assert list(window) == [9, 1]
    window.reset()
    assert window.Count == 0


def test_an_indicators_window_starts_with_a_zero_and_can_be_widened():
    sma = lib.SimpleMovingAverage(2)
    assert sma.window.count == 1
    assert sma.current.value == 0.0
    sma.window.size = 4
    for n, value in enumerate((1.0, 3.0, 5.0)):
        sma.update(START + n * MINUTE, value)
    assert [point.value for point in sma.window] == [4.0, 2.0, 1.0, 0.0]
    assert sma[1].value == sma.previous.value == 2.0
    assert sma.window[0].time == START + 2 * MINUTE


def test_indicators_only_go_forward_in_time(caplog):
    sma = lib.SimpleMovingAverage(2)
    sma.update(START, 1.0)
    with caplog.at_level(logging.ERROR):
        sma.update(START - MINUTE, 100.0)
        sma.update(START - MINUTE, 100.0)
    assert sma.samples == 1
    assert len(caplog.records) == 1
    assert "forward only" in caplog.text
    sma.update(START, 3.0)
    assert sma.current.value == 2.0


def test_the_same_bar_twice_counts_once():
    sma = lib.SimpleMovingAverage(2)
    one = bar(0, 5.0)
    sma.update(one)
    sma.update(one)
    assert sma.samples == 1
    assert sma.current.time == START + MINUTE


def test_bar_indicators_name_what_they_need():
    atr = lib.AverageTrueRange(3)
    with pytest.raises(TypeError, match="does not support update\\(time, value\\)"):
        atr.update(START, 1.0)
    with pytest.raises(TypeError, match="needs bars with high, low, close"):
        atr.update(lib.IndicatorDataPoint(START, 1.0))


def test_names_follow_lean():
    assert lib.SimpleMovingAverage(14).name == "SMA(14)"
    assert lib.SimpleMovingAverage("mine", 14).name == "mine"
    assert lib.SimpleMovingAverage(name="mine", period=14).name == "mine"
    assert lib.BollingerBands(20, 2.0).name == "BB(20,2)"
    assert lib.MovingAverageConvergenceDivergence(fastPeriod=12, slowPeriod=26, signalPeriod=9).name == "MACD(12,26,9)"
    with pytest.raises(TypeError, match="period"):
        lib.SimpleMovingAverage()
    with pytest.raises(ValueError, match="at least 1, not 0"):
        lib.SimpleMovingAverage(0)


def test_updated_event_fires_with_sender_and_point_until_it_is_removed():
    seen = []
    sma = lib.SimpleMovingAverage(1)

    def handler(sender, point):
        seen.append((sender, point.value))

    sma.updated += handler
    sma.update(START, 2.0)
    sma.Updated -= handler
    sma.update(START, 3.0)
    assert seen == [(sma, 2.0)]
    with pytest.raises(TypeError, match="must be callable"):
        sma.updated += 5
    assert isinstance(sma.updated, EventHandler)


def test_indicators_compare_by_value_with_numbers_and_each_other():
    low, high = lib.Identity("low"), lib.Identity("high")
    low.update(START, 1.0)
    high.update(START, 2.0)
    assert high > low
    assert low < 1.5 <= high
    assert low == 1.0
    assert low != high
    assert float(high) == 2.0
    assert str(high) == "2.0"


def test_composition_waits_for_both_sides():
    left, right = lib.Identity("left"), lib.Identity("right")
    ratio = lib.IndicatorExtensions.over(left, right)
    difference = lib.IndicatorExtensions.Minus(left, right, "difference")
    doubled = lib.IndicatorExtensions.times(left, 2)
    left.update(START, 6.0)
    assert not ratio.samples
    assert doubled.current.value == 12.0
    right.update(START, 3.0)
    assert ratio.current.value == 2.0
    assert ratio.name == "COMPOSE(left,right)"
    assert (difference.current.value, difference.name) == (3.0, "difference")
    left.update(START + MINUTE, 9.0)
    assert ratio.current.value == 2.0
    right.update(START + MINUTE, 0.0)
    assert ratio.current.value == 2.0


def test_of_feeds_the_outer_indicator_once_the_inner_is_ready():
    inner = lib.SimpleMovingAverage(2)
    outer = lib.IndicatorExtensions.of(lib.SimpleMovingAverage(2), inner)
    eager = lib.IndicatorExtensions.sma(inner, 2, False)
    for n, value in enumerate((1.0, 3.0, 5.0)):
        inner.update(START + n * MINUTE, value)
    assert (outer.samples, outer.current.value) == (2, 3.0)
    assert eager.samples == 3
    assert eager.name == "SMA2_Of_SMA(2)"


def test_weighted_by_weights():
    value, weight = lib.Identity("v"), lib.Identity("w")
    average = lib.IndicatorExtensions.weighted_by(value, weight, 2)
    for n, (v, w) in enumerate(((1.0, 1.0), (4.0, 3.0))):
        value.update(START + n * MINUTE, v)
        weight.update(START + n * MINUTE, w)
    assert average.is_ready
    assert average.current.value == pytest.approx(13 / 4)


def test_composite_indicator_takes_a_function_that_returns_a_number_or_a_result():
    left, right = lib.Identity("left"), lib.Identity("right")
    plain = lib.CompositeIndicator("sum", left, right, lambda a, b: a.current.value + b.current.value)
    typed = lib.CompositeIndicator(left, right, lambda a, b: lib.IndicatorResult(a.current.value * b.current.value))
    left.update(START, 2.0)
    right.update(START, 3.0)
    assert (plain.current.value, typed.current.value) == (5.0, 6.0)
    with pytest.raises(TypeError, match="composer"):
        lib.CompositeIndicator(left, right)


def test_delay_and_filtered_identity():
    delay = lib.Delay(2)
    for n, value in enumerate((1.0, 2.0, 3.0)):
        delay.update(START + n * MINUTE, value)
    assert delay.current.value == 1.0
    loud = lib.FilteredIdentity("loud", lambda b: b.volume > 5)
    loud.update(bar(0, 10.0, 9))
    loud.update(bar(1, 20.0, 1))
    assert loud.current.value == 10.0


class SnakeAverage(lib.PythonIndicator):
    def __init__(self, name, period):
        super().__init__()
        self.name = name
        self.value = 0
        self.period = period
        self.held = []

    def update(self, point):
        self.held = [point.value, *self.held][: self.period]
        self.value = sum(self.held) / len(self.held)
        return len(self.held) == self.period


class PascalAverage(lib.PythonIndicator):
    def __init__(self):
        self.WarmUpPeriod = 2
        self.Value = 0
        super().__init__()
        self.Name = "pascal"
        self.WarmUpPeriod = 2
        self.count = 0

    def Update(self, point):
        self.count += 1
        self.Value = point.value
        return self.count > 1


class Duck:
    def __init__(self):
        self.value = 0
        self.is_ready = False

    def update(self, point):
        self.value = 2 * point.value
        self.is_ready = True


@pytest.mark.parametrize(
    "make", [lambda: SnakeAverage("mine", 2), PascalAverage, Duck], ids=["snake", "pascal", "duck"]
)
def test_python_indicators_in_either_spelling(make):
    from llm_plugin.engine.indicators.composition import as_indicator, feed_indicator

    indicator = as_indicator(make())
    seen = []
    indicator.updated += lambda sender, point: seen.append(point.value)
    assert not indicator.is_ready
    feed_indicator(indicator, lib.IndicatorDataPoint(START, 3.0))
    feed_indicator(indicator, lib.IndicatorDataPoint(START + MINUTE, 5.0))
    assert indicator.is_ready
    assert indicator.samples == 2
    assert seen[-1] == indicator.current.value
    assert indicator.current.value in (4.0, 5.0, 10.0)


def test_an_object_that_is_no_indicator_is_refused_by_name():
    from llm_plugin.engine.indicators.composition import as_indicator

    class Half:
        value = 1

        def update(self, point): ...

    with pytest.raises(NotImplementedError, match=r"is_ready must be implemented.*Half"):
        as_indicator(Half())


def test_every_public_member_is_there_in_both_spellings():
    checked = 0
    made = [
        lib.SimpleMovingAverage(3), lib.BollingerBands(3, 2), lib.MovingAverageConvergenceDivergence(2, 3, 2),
        lib.RelativeStrengthIndex(3), lib.Stochastic(3, 2, 2), lib.AverageDirectionalIndex(3), lib.RollingWindow(2),
        lib.AroonOscillator(3, 3), lib.Maximum(3), lib.IndicatorDataPoint(START, 1.0),
    ]  # fmt: skip
    for item in made:
        names = [name for name in dir(item) if not name.startswith("_") and name == name.lower()]
        for name in names:
            if name == "most_recently_removed":
                continue
            assert hasattr(item, pascal(name)), (type(item).__name__, name)
            checked += 1
    assert checked > 100


def test_a_missing_member_is_named():
    with pytest.raises(AttributeError, match="no_such_thing") as caught:
        _ = lib.SimpleMovingAverage(3).no_such_thing
    told = translate(caught.value, Path())
    assert isinstance(told, UnsupportedLeanApi)
    assert told.member == "SimpleMovingAverage.no_such_thing"
    from llm_plugin.engine.base.enums import MovingAverageType
    from llm_plugin.engine.indicators.adaptive import moving_average

    with pytest.raises(UnsupportedLeanApi, match=r"MovingAverageType\.Mgd"):
        moving_average(MovingAverageType.MGD, "x", 3)
