"""Spans and moments by name, and .NET's functions of numbers."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from llm_plugin.engine.base.net_types import Math
from llm_plugin.engine.market.time_helpers import Expiry, Time, TimeSpan

FRIDAY = datetime(2024, 5, 31, 15, 30)


@pytest.mark.parametrize(
    ("rule", "moment", "expected"),
    [
        # The day of the month stays, where the month has it.
        (Expiry.ONE_MONTH, FRIDAY, datetime(2024, 6, 30, 15, 30)),
        (Expiry.ONE_MONTH, datetime(2023, 12, 15, 10), datetime(2024, 1, 15, 10)),
        (Expiry.ONE_QUARTER, FRIDAY, datetime(2024, 8, 31, 15, 30)),
        (Expiry.ONE_YEAR, datetime(2024, 2, 29), datetime(2025, 2, 28)),
        (Expiry.END_OF_DAY, FRIDAY, datetime(2024, 6, 1)),
        (Expiry.END_OF_WEEK, FRIDAY, datetime(2024, 6, 3)),
        (Expiry.END_OF_WEEK, datetime(2024, 6, 2, 12), datetime(2024, 6, 3)),
        (Expiry.END_OF_WEEK, datetime(2024, 6, 3), datetime(2024, 6, 10)),
        (Expiry.END_OF_MONTH, FRIDAY, datetime(2024, 6, 1)),
        (Expiry.END_OF_QUARTER, FRIDAY, datetime(2024, 7, 1)),
        (Expiry.END_OF_YEAR, FRIDAY, datetime(2025, 1, 1)),
        (Expiry.EndOfDay, FRIDAY, datetime(2024, 6, 1)),
    ],
)
def test_expiry_counts_calendar_time(rule, moment, expected):
    assert rule(moment) == expected


def test_insights_take_expiry_functions_and_close_when_the_market_is_open(run):
    """The first of November 2013 is a Friday: the function's midnight becomes the opening."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            self.spy = self.add_equity('SPY', Resolution.MINUTE).symbol
            self.closes = []

        def on_data(self, data):
            insight = Insight.price(self.spy, Expiry.END_OF_MONTH, InsightDirection.UP)
            self.emit_insights(insight)
            self.closes.append(insight.close_time_utc)
            self.quit()
        """
    )

    assert result.algorithm.closes == [datetime(2013, 11, 1, 13, 30)]


def test_products_of_spans_are_cut_to_microseconds():
    assert Time.multiply(timedelta(minutes=1), 30) == timedelta(minutes=30)
    assert Time.multiply(timedelta(seconds=1), 1 / 3) == timedelta(microseconds=333_333)
    assert Time.Multiply(timedelta(days=1), 0.5) == timedelta(hours=12)


def test_limits_of_time_are_leans():
    assert Time.BEGINNING_OF_TIME == datetime(1899, 12, 30)
    assert Time.START == datetime(1998, 1, 2)
    assert Time.max(Time.ONE_DAY, Time.ONE_HOUR) == Time.ONE_DAY
    assert Time.abs(-Time.ONE_DAY) == Time.ONE_DAY


def test_unix_stamps_go_there_and_back():
    moment = datetime(2013, 10, 7, 13, 30, 0, 250_000)

    assert Time.unix_time_stamp_to_date_time(Time.date_time_to_unix_time_stamp(moment)) == moment
    assert Time.date_time_to_unix_time_stamp_milliseconds(moment) == 1_381_152_600_250
    assert Time.unix_nanosecond_time_stamp_to_date_time(1_381_152_600_250_000_000) == moment


def test_tradable_days_leave_out_weekends_and_holidays(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            spy = self.add_equity('SPY', Resolution.MINUTE)
            first, last = datetime(2013, 12, 24), datetime(2013, 12, 29)
            self.one = [day.day for day in Time.each_tradeable_day(spy, first, last)]
            self.hours = [day.day for day in Time.each_tradeable_day(spy.exchange.hours, first, last)]
            self.count = Time.tradeable_dates(self.securities, first, last)
            self.christmas = Time.tradable_date(self.securities, datetime(2013, 12, 25))
        """
    )

    found = result.algorithm
    assert found.one == found.hours == [24, 26, 27]
    assert (found.count, found.christmas) == (3, False)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (TimeSpan(1, 30, 0), timedelta(hours=1, minutes=30)),
        (TimeSpan(2, 1, 0, 0), timedelta(days=2, hours=1)),
        (TimeSpan(1, 0, 0, 0, 5), timedelta(days=1, milliseconds=5)),
        (TimeSpan(10_000_000), timedelta(seconds=1)),
        (TimeSpan.from_milliseconds(5), timedelta(milliseconds=5)),
    ],
)
def test_spans_of_net_are_pythons(made, expected):
    assert made == expected


def test_numbers_are_rounded_as_in_net():
    assert [Math.round(value) for value in (0.5, 1.5, -2.5)] == [0, 2, -2]
    assert Math.Round(0.125, 2) == 0.12
    assert (Math.Floor(-1.5), Math.ceiling(1.2), Math.truncate(-1.7), Math.sign(-3.0)) == (-2, 2, -1, -1)
    assert Math.sin(10) == pytest.approx(-0.5440211108893698)
    assert Math.log(0) == float("-inf")
    assert Math.log(8, 2) == pytest.approx(3)
    assert (Math.clamp(5, 0, 3), Math.max(1, 2), Math.Abs(-4)) == (3, 2, 4)
