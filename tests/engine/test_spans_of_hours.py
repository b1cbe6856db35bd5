"""The open spans of many days at once are those of each day."""

from __future__ import annotations

import random
from datetime import date

import pytest

from llm_plugin.engine.base.zones import DAY_US, EPOCH, zone
from llm_plugin.engine.feed.source import open_segments
from llm_plugin.engine.market.market_hours import ExchangeHours, tradable_days

_EPOCH_ORDINAL = EPOCH.toordinal()
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _span(start, end, state):
    return {"start": start, "end": end, "state": state}


def _stock_exchange():
    day = [
        _span("04:00:00", "09:30:00", "premarket"),
        _span("09:30:00", "16:00:00", "market"),
        _span("16:00:00", "20:00:00", "postmarket"),
    ]
    entry = {name: day for name in _DAYS[:5]}
    entry["holidays"] = ["12/25/2013", "1/1/2014"]
    entry["earlyCloses"] = {"12/24/2013": "13:00:00"}
    entry["lateOpens"] = {"12/27/2013": "11:00:00"}
    return ExchangeHours(entry, zone("America/New_York"))


def _round_the_clock():
    """Open from Sunday evening to Friday afternoon, as currencies are."""
    entry = {name: [_span("00:00:00", "1.00:00:00", "market")] for name in _DAYS[:4]}
    entry["friday"] = [_span("00:00:00", "17:00:00", "market")]
    entry["sunday"] = [_span("17:00:00", "1.00:00:00", "market")]
    return ExchangeHours(entry, zone("America/New_York"))


def _closed_for_ever():
    return ExchangeHours({}, zone("UTC"))


@pytest.mark.parametrize("hours", [_stock_exchange(), _round_the_clock(), _closed_for_ever()])
@pytest.mark.parametrize("extended", [False, True])
def test_spans_of_many_days_are_those_of_each(hours, extended):
    middle = date(2013, 12, 25).toordinal() - _EPOCH_ORDINAL
    draw = random.Random(7)
    for _ in range(40):
        first = middle - draw.randrange(20)
        last = first + draw.randrange(-1, 30)
        each = [
            (day * DAY_US + start, day * DAY_US + end, day)
            for day in range(first, last + 1)
            for start, end, regular in hours.segments(_EPOCH_ORDINAL + day)
            if regular or extended
        ]
        starts, ends = hours.spans(first, last, extended)
        assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == [span[:2] for span in each]
        joined = []
        for start, end, _ in each:
            if joined and joined[-1][1] == start:
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((start, end))
        lows, highs = open_segments(hours, first, last, extended)
        assert list(zip(lows.tolist(), highs.tolist(), strict=True)) == joined


@pytest.mark.parametrize("hours", [_stock_exchange(), _round_the_clock(), _closed_for_ever()])
def test_days_open_and_close_as_each_day_does(hours):
    first = date(2013, 12, 20).toordinal() - _EPOCH_ORDINAL
    last = first + 14
    expected = [day for day in range(first, last + 1) if hours.is_date_open_ordinal(_EPOCH_ORDINAL + day)]
    days, opens, closes = hours.day_spans(first, last)
    assert days.tolist() == tradable_days(hours, first, last) == expected
    assert opens.tolist() == [hours.first_open_us(day) for day in expected]
    assert closes.tolist() == [hours.last_close_us(day) for day in expected]
