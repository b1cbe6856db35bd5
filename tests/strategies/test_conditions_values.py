"""Conditions: LEAN's values on trusted bars, three answers, and nothing from the future."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from trusted_here import MARKET

from llm_plugin.engine.indicators import RelativeStrengthIndex, SimpleMovingAverage
from llm_plugin.errors import DataError
from llm_plugin.strategies.conditions.bars import Bars, load_bars
from llm_plugin.strategies.conditions.evaluate import Evaluator, longest_window
from llm_plugin.strategies.conditions.truth import compare
from llm_plugin.strategies.conditions.windows import calendar_field, window_function

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def bars() -> dict[str, Bars]:
    return load_bars(
        MARKET,
        ["SPY", "QQQ"],
        security_type="equity",
        resolution="daily",
        start=date(2014, 1, 1),
        end=date(2014, 6, 30),
        lookback_bars=60,
    )


def test_the_run_begins_where_it_was_asked_to(bars: dict[str, Bars]) -> None:
    spy = bars["SPY"]
    assert spy.local_ends[spy.first] == datetime(2014, 1, 2, 16)
    assert spy.first >= 60
    assert spy.index_at(int(spy.ends_us[spy.first])) == spy.first
    assert spy.index_at(int(spy.ends_us[spy.first]) - 1) == spy.first - 1


def test_indicators_are_the_engines_own(bars: dict[str, Bars]) -> None:
    spy, own = bars["SPY"], RelativeStrengthIndex(14)
    expected = [
        own._value if own.push(at, value) else np.nan
        for at, value in zip(spy.local_ends, spy.close.tolist(), strict=True)
    ]
    np.testing.assert_array_equal(Evaluator(bars, "SPY").values("rsi(14)")[0], expected)


def test_an_indicator_runs_over_any_expression(bars: dict[str, Bars]) -> None:
    spy, own = bars["SPY"], SimpleMovingAverage(5)
    spread = spy.fields["high"] - spy.fields["low"]
    expected = [
        own._value if own.push(at, value) else np.nan for at, value in zip(spy.local_ends, spread.tolist(), strict=True)
    ]
    np.testing.assert_array_equal(Evaluator(bars, "SPY").values("sma(high - low, 5)")[0], expected)


def test_another_symbol_is_read_at_this_ones_bars(bars: dict[str, Bars]) -> None:
    values = Evaluator(bars, "SPY").values("QQQ.sma(3) - QQQ.close")[0]
    closes = bars["QQQ"].close
    assert values[10] == pytest.approx(closes[8:11].mean() - closes[10])


def test_a_condition_before_its_indicator_is_ready_is_not_certain(bars: dict[str, Bars]) -> None:
    spy = bars["SPY"]
    truth = Evaluator(bars, "SPY").condition("close > sma(20) or close <= sma(20)")
    begin = spy.first
    # Fed from the run's first bar the average is ready on the twentieth; who warmed up knows it at once.
    assert truth.possible[begin]
    assert not truth.certain[begin : begin + 19].any()
    assert truth.certain[begin + 19 :].all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("close > delay(close, 1)", [False, True, False, True, False]),
        ("crosses_above(close, 11)", [False, True, False, True, False]),
        ("count(close < delay(close, 1), 2) >= 1", [False, False, True, True, True]),
        ("highest(close, 2) == close", [False, True, False, True, False]),
        ("not (close > 11) and close < 13", [True, False, True, False, True]),
        ("larger(close, 11) == 11", [True, False, True, False, True]),
    ],
)
def test_conditions_by_hand(text: str, expected: list[bool]) -> None:
    closes = np.array([10.0, 12.0, 11.0, 14.0, 9.0])
    ends = tuple(datetime(2014, 1, day, 16) for day in (6, 7, 8, 9, 10))
    fields = {name: closes for name in ("open", "high", "low", "close", "volume")}
    small = Bars("SPY", np.arange(1, 6, dtype=np.int64) * 86_400_000_000, ends, fields, 0)
    truth = Evaluator({"SPY": small}, "SPY").condition(text)
    assert (truth.certain & truth.known).tolist() == expected
    assert (truth.possible & truth.known).tolist() == expected


def test_what_hangs_by_a_rounding_may_fall_either_way() -> None:
    left, right = np.array([1.0, 1.0, 1.0 + 1e-9, 2.0]), np.array([2.0, 1.0, 1.0, 1.0])
    truth = compare("<", left, right, slack=1e-9)
    assert truth.certain.tolist() == [True, False, False, False]
    assert truth.possible.tolist() == [True, False, True, False]
    exact = compare("<", left, right, slack=None)
    assert exact.certain.tolist() == exact.possible.tolist() == [True, False, False, False]


def test_not_a_number_is_no_answer() -> None:
    truth = compare(">", np.array([np.nan, 2.0]), np.array([1.0, 1.0]), slack=None)
    assert truth.known.tolist() == [False, True]
    assert truth.inverted().possible.tolist() == [False, False]


def test_the_calendar_counts_trading_days() -> None:
    days = [datetime(2014, 1, 30, 16), datetime(2014, 1, 31, 16), datetime(2014, 2, 3, 16), datetime(2014, 2, 4, 16)]
    moments = tuple(days)
    assert calendar_field("trading_day_of_month", moments).tolist() == [1, 2, 1, 2]
    assert calendar_field("last_trading_day_of_month", moments)[:2].tolist() == [0, 1]
    assert calendar_field("trading_days_left", moments)[3] == 18  # weekdays of February after the 4th
    assert calendar_field("day_of_week", moments).tolist() == [3, 4, 0, 1]


_SERIES = st.lists(st.floats(1, 100), min_size=6, max_size=30)


@settings(max_examples=40, deadline=None)
@given(_SERIES, st.sampled_from(["highest", "lowest", "median", "zscore", "percent_rank", "change", "delay", "count"]))
def test_no_window_sees_what_comes_after(values: list[float], name: str) -> None:
    series: Floats = np.array(values)
    cut = len(series) - 2
    whole, part = window_function(name, series, 3, "lean"), window_function(name, series[:cut], 3, "lean")
    np.testing.assert_array_equal(whole[:cut], part)


def test_windows_in_windows_reach_further() -> None:
    assert longest_window(["sma(roc(10), 20) > 0"]) == 30
    assert longest_window([]) == 0


def test_a_symbol_without_bars_is_named() -> None:
    with pytest.raises(DataError, match="no daily bars of FB from 2010-01-01"):
        load_bars(
            MARKET,
            ["FB"],
            security_type="equity",
            resolution="daily",
            start=date(2010, 1, 1),
            end=date(2010, 2, 1),
            lookback_bars=5,
        )
