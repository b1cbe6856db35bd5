"""Consolidators by time, count, calendar, price and market hours."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from llm_plugin.engine import consolidators as lib
from llm_plugin.engine.base.enums import Resolution, SecurityType, TickType
from llm_plugin.engine.base.names import pascal
from llm_plugin.engine.base.zones import zone
from llm_plugin.engine.data.bars import Bar, QuoteBar, Tick, TradeBar
from llm_plugin.engine.indicators import IndicatorDataPoint
from llm_plugin.engine.market.market_hours import ExchangeHours
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol

SPY = Symbol(SecurityIdentifier("SPY", SecurityType.EQUITY, "usa"), "SPY", "SPY")
OPEN = datetime(2024, 1, 2, 9, 30)
MINUTE = timedelta(minutes=1)


def trade(start, close, volume=10.0, span=MINUTE):
    return TradeBar(start, SPY, close, close + 0.5, close - 0.5, close, volume, span)


def run(consolidator, points, scan=True):
    made = []
    consolidator.data_consolidated += lambda sender, bar: made.append(bar)
    for point in points:
        consolidator.update(point)
        if scan:
            consolidator.scan(point.end_time)
    return made


def minutes(count, start=OPEN):
    return [trade(start + n * MINUTE, float(n)) for n in range(count)]


def test_time_bars_end_with_the_scan_at_their_end():
    made = run(lib.TradeBarConsolidator(timedelta(minutes=5)), minutes(11))
    assert [(bar.time, bar.end_time) for bar in made] == [
        (OPEN, OPEN + 5 * MINUTE),
        (OPEN + 5 * MINUTE, OPEN + 10 * MINUTE),
    ]
    first = made[0]
    assert (first.open, first.high, first.low, first.close, first.volume) == (0.0, 4.5, -0.5, 4.0, 50.0)


def test_without_a_scan_the_next_bar_pushes_the_old_one_out():
    made = run(lib.TradeBarConsolidator(timedelta(minutes=5)), minutes(6), scan=False)
    assert len(made) == 1
    assert made[0].close == 4.0


def test_hour_bars_start_on_the_hour():
    made = run(lib.TradeBarConsolidator(Resolution.HOUR), minutes(95))
    assert [bar.time for bar in made] == [datetime(2024, 1, 2, 9), datetime(2024, 1, 2, 10)]
    shifted = run(lib.TradeBarConsolidator(timedelta(hours=1), timedelta(hours=9, minutes=30)), minutes(95))
    assert [bar.time for bar in shifted] == [OPEN]


def test_count_bars_end_with_their_last_input():
    made = run(lib.TradeBarConsolidator(3), minutes(7))
    assert [(bar.time, bar.end_time) for bar in made] == [
        (OPEN, OPEN + 3 * MINUTE),
        (OPEN + 3 * MINUTE, OPEN + 6 * MINUTE),
    ]
    mixed = run(lib.TradeBarConsolidator(100, timedelta(minutes=2)), minutes(5), scan=False)
    assert [bar.volume for bar in mixed] == [30.0]


def test_calendar_bars():
    days = [trade(datetime(2024, 1, 1) + timedelta(days=n), float(n), span=timedelta(days=1)) for n in range(40)]
    weeks = run(lib.TradeBarConsolidator(lib.Calendar.WEEKLY), days)
    assert [bar.time.weekday() for bar in weeks] == [0] * 5
    months = run(lib.TradeBarConsolidator(lib.Calendar.Monthly), days)
    assert [(bar.time, bar.end_time) for bar in months] == [(datetime(2024, 1, 1), datetime(2024, 2, 1))]
    assert lib.Calendar.QUARTERLY(datetime(2024, 11, 5)).end == datetime(2025, 1, 1)
    assert lib.Calendar.YEARLY(datetime(2024, 11, 5)) == lib.CalendarInfo(datetime(2024, 1, 1), timedelta(days=366))
    with pytest.raises(ValueError, match="not later than the given time"):
        lib.TradeBarConsolidator(lambda moment: lib.CalendarInfo(moment + MINUTE, MINUTE))


def test_a_consolidator_refuses_what_it_cannot_use():
    consolidator = lib.TradeBarConsolidator(timedelta(minutes=5))
    with pytest.raises(TypeError, match="takes TradeBar, not IndicatorDataPoint"):
        consolidator.update(IndicatorDataPoint(SPY, OPEN, 1.0))
    with pytest.raises(ValueError, match=r"cannot make bars of 0:05:00 from 1:00:00 bars"):
        consolidator.update(trade(OPEN, 1.0, span=timedelta(hours=1)))
    consolidator = lib.TradeBarConsolidator(2)
    consolidator.update(trade(OPEN, 1.0))
    other = trade(OPEN, 1.0)
    other.symbol = Symbol(SecurityIdentifier("AAPL", SecurityType.EQUITY, "usa"), "AAPL", "AAPL")
    with pytest.raises(ValueError, match="had SPY and now gets AAPL"):
        consolidator.update(other)
    with pytest.raises(TypeError, match="a period, a count or a calendar"):
        lib.TradeBarConsolidator("daily")
    with pytest.raises(ValueError, match="at least 1, not 0"):
        lib.TradeBarConsolidator(0)


def test_quote_bars_open_where_the_last_one_closed():
    def quote(n, bid, ask):
        return QuoteBar(OPEN + n * MINUTE, SPY, Bar(*[bid] * 4), 1.0, Bar(*[ask] * 4), 2.0, MINUTE)

    made = run(lib.QuoteBarConsolidator(timedelta(minutes=2)), [quote(n, 10.0 + n, 11.0 + n) for n in range(4)])
    assert (made[0].bid.open, made[0].bid.high, made[0].ask.close) == (10.0, 11.0, 12.0)
    assert (made[1].bid.open, made[1].ask.open, made[1].bid.close) == (11.0, 12.0, 13.0)
    assert made[1].last_ask_size == 2.0


def test_ticks_become_trade_and_quote_bars_by_their_type():
    def tick(n, kind, **fields):
        item = Tick()
        item.symbol, item.tick_type = SPY, kind
        item.time = OPEN + timedelta(seconds=n)
        item.end_time = item.time
        for name, value in fields.items():
            setattr(item, name, value)
        return item

    trades = [tick(n, TickType.TRADE, value=float(n), quantity=5.0) for n in range(4)]
    quotes = [
        tick(n, TickType.QUOTE, bid_price=9.0 + n, ask_price=10.0 + n, bid_size=1.0, ask_size=1.0) for n in range(4)
    ]
    bars = run(lib.TickConsolidator(2), trades + quotes)
    assert [(bar.open, bar.close, bar.volume) for bar in bars] == [(0.0, 1.0, 10.0), (2.0, 3.0, 10.0)]
    sides = run(lib.TickQuoteBarConsolidator(2), trades + quotes)
    assert sides[0].bid.close == 10.0


def test_identity_passes_bars_on_once():
    one = trade(OPEN, 1.0)
    made = run(lib.IdentityDataConsolidator(TradeBar), [one, one, trade(OPEN + MINUTE, 2.0)])
    assert [bar.close for bar in made] == [1.0, 2.0]
    assert made[0] is one


def test_sequential_and_base_data_consolidators():
    chain = lib.SequentialConsolidator(lib.TradeBarConsolidator(2), lib.TradeBarConsolidator(2))
    made = run(chain, minutes(8))
    assert [bar.close for bar in made] == [3.0, 7.0]
    with pytest.raises(TypeError, match="makes QuoteBar, the second takes TradeBar"):
        lib.SequentialConsolidator(lib.QuoteBarConsolidator(2), lib.TradeBarConsolidator(2))
    values = run(lib.BaseDataConsolidator(4), minutes(4))
    assert (values[0].open, values[0].high, values[0].low, values[0].close) == (0.0, 3.0, 0.0, 3.0)


def test_inside_a_handler_the_window_has_the_new_bar_and_consolidated_the_old_one():
    consolidator = lib.TradeBarConsolidator(1)
    seen = []
    consolidator.data_consolidated += lambda sender, bar: seen.append((sender[0] is bar, sender.consolidated))
    first, second = minutes(2)
    consolidator.update(first)
    consolidator.update(second)
    assert seen[0] == (True, None)
    assert seen[1][1].close == 0.0
    assert consolidator.previous.close == 0.0
    consolidator.reset()
    assert consolidator.consolidated is None


def test_daily_bars_run_from_open_to_close_and_skip_other_hours():
    segments = [{"start": "04:00:00", "end": "09:30:00", "state": "premarket"},
                {"start": "09:30:00", "end": "16:00:00", "state": "market"}]  # fmt: skip
    week = ("monday", "tuesday", "wednesday", "thursday", "friday")
    hours = ExchangeHours(dict.fromkeys(week, segments), zone("America/New_York"))
    consolidator = lib.MarketHourAwareConsolidator(
        True, Resolution.DAILY, TradeBar, TickType.TRADE, False, lambda s: hours
    )
    early = [trade(datetime(2024, 1, 2, 9, 28), 99.0), trade(datetime(2024, 1, 2, 9, 29), 99.0)]
    made = run(consolidator, [*early, *minutes(390)])
    assert len(made) == 1
    assert (made[0].time, made[0].end_time) == (OPEN, datetime(2024, 1, 2, 16))
    assert (made[0].open, made[0].close, made[0].volume) == (0.0, 389.0, 3900.0)
    lost = lib.MarketHourAwareConsolidator(True, Resolution.DAILY, TradeBar, TickType.TRADE, False)
    with pytest.raises(ValueError, match="register"):
        lost.update(minutes(1)[0])


def test_renko_needs_two_bricks_to_turn():
    points = [trade(OPEN + n * MINUTE, close) for n, close in enumerate((10.0, 11.2, 12.5, 11.4, 10.6, 9.4))]
    made = run(lib.RenkoConsolidator(1), points)
    assert [(bar.open, bar.close) for bar in made] == [(10.0, 11.0), (11.0, 12.0), (11.0, 10.0)]
    assert [bar.direction for bar in made] == [0, 0, 2]
    classic = run(lib.ClassicRenkoConsolidator(1), points)
    assert [(bar.open, bar.close) for bar in classic][:2] == [(10.0, 11.0), (11.0, 12.0)]
    with pytest.raises(ValueError, match="above 0, not 0"):
        lib.RenkoConsolidator(0)


def test_volume_renko_carries_the_rest_over():
    made = run(lib.VolumeRenkoConsolidator(25), [trade(OPEN + n * MINUTE, float(n), 10.0) for n in range(6)])
    assert [bar.volume for bar in made] == [25.0, 25.0]


def test_range_bars_have_one_range():
    consolidator = lib.RangeConsolidator(100)
    points = [trade(OPEN + n * MINUTE, close) for n, close in enumerate((100.0, 100.4, 101.2, 103.5))]
    made = run(consolidator, points)
    assert consolidator.range_size == pytest.approx(1.0)
    assert all(bar.high - bar.low == pytest.approx(1.0) for bar in made)
    assert len(made) == 3
    assert [bar.open for bar in run(lib.ClassicRangeConsolidator(100), points)] == [100.0, 101.2]


def test_both_spellings():
    checked = 0
    for item in (lib.TradeBarConsolidator(2), lib.RenkoConsolidator(1), lib.CalendarInfo(OPEN, MINUTE)):
        for name in dir(item):
            if not name.startswith("_") and name == name.lower():
                assert hasattr(item, pascal(name)), name
                checked += 1
    assert checked > 30
