"""`security.session`: the running day and the ones before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from llm_plugin.engine.base.enums import SecurityType, TickType
from llm_plugin.engine.data.bars import Bar, QuoteBar, Tick, TradeBar
from llm_plugin.engine.market.market_hours import load_market_hours
from llm_plugin.engine.securities.session import Session

MONDAY = datetime(2013, 10, 7)
HOUR = timedelta(hours=1)


def bar(hour: int, prices: tuple[float, ...], volume: float = 10, day: int = 0, period: timedelta = HOUR) -> TradeBar:
    return TradeBar(MONDAY + timedelta(days=day, hours=hour), None, *prices, volume, period)


@pytest.fixture
def session(data_folder: Any) -> Session:
    hours = load_market_hours(data_folder).get_exchange_hours("usa", "SPY", SecurityType.EQUITY)
    made = Session("SPY", hours, TickType.TRADE, lambda _: None)
    made.size = 3
    return made


def values(item: Any) -> tuple[float, ...]:
    return item.open, item.high, item.low, item.close, item.volume


def test_bars_of_a_day_add_up(session):
    session.update(bar(9, (10, 11, 9, 10.5)))
    session.update(bar(10, (10.5, 12, 10, 11), 20))

    assert values(session) == (10, 12, 9, 11, 30)


def test_data_outside_of_regular_hours_does_not_count(session):
    session.update(bar(5, (1, 99, 1, 1)))
    session.update(bar(10, (10, 11, 9, 10)))
    session.update(bar(16, (1, 99, 1, 1)))

    assert values(session) == (10, 11, 9, 10, 10)


def test_the_next_date_begins_a_new_day_and_keeps_the_old_one(session):
    session.update(bar(10, (10, 11, 9, 10)))
    session.scan(MONDAY + timedelta(hours=23))
    assert values(session) == (10, 11, 9, 10, 10)

    session.scan(MONDAY + timedelta(days=1))

    assert values(session) == (0, 0, 0, 0, 0)
    assert values(session[1]) == (10, 11, 9, 10, 10)
    assert session[0].time == MONDAY + timedelta(days=1)


def test_a_bar_that_overlaps_with_what_is_in_is_left_out(session):
    session.update(bar(10, (10, 11, 9, 10)))
    session.update(bar(10, (50, 60, 40, 50), 99, period=timedelta(minutes=1)))

    assert values(session) == (10, 11, 9, 10, 10)


def test_quotes_make_the_session_of_a_currency(data_folder):
    hours = load_market_hours(data_folder).get_exchange_hours("oanda", "EURUSD", SecurityType.FOREX)
    made = Session("EURUSD", hours, TickType.QUOTE, lambda _: None)
    made.size = 1
    when = MONDAY + timedelta(hours=10)
    made.update(QuoteBar(when, None, Bar(1.0, 1.2, 0.8, 1.1), 0, Bar(1.2, 1.4, 1.0, 1.3), 0, HOUR))

    assert (made.open, made.high, made.low, made.close) == pytest.approx((1.1, 1.3, 0.9, 1.2))


def test_trade_ticks_add_price_and_size(session):
    for second, price in enumerate((10.0, 12.0, 9.0)):
        session.update(Tick(MONDAY + timedelta(hours=10, seconds=second), None, price, 5))

    assert values(session) == (10, 12, 9, 9, 15)


def test_a_session_runs_only_once_its_size_is_set(run, spy_minute):
    result = run(
        spy_minute("self.idle = self.securities[self.spy].session.open")
        + """
def on_data(self, data):
    session = self.securities[self.spy].session
    if self.time.day == 7 and self.time.hour == 10 and self.time.minute == 0:
        assert session.close == 0
        session.Size = 2
    if self.time.day == 8 and self.time.hour == 16:
        self.last = session[1].close, session.close, data.bars[self.spy].close
"""
    )

    before, now, close = result.algorithm.last
    assert (result.algorithm.idle, now) == (0, close)
    assert before > 0
