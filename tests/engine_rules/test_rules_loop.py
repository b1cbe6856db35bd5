"""The order of work of a moment, the clock, warm-up, filling forward, corporate events."""

from __future__ import annotations

import re

import pytest
from rule_table import rule
from tiny_market import DAY, EQUITY, source, steady

from llm_plugin.errors import AlgorithmError


@rule("0.8", "2.2", "18.1", "10.2")
def test_events_of_one_moment_come_in_leans_order(run, market):
    """Fills of older orders, scheduled events, consolidators, on_data; an asynchronous order fills within the call."""
    market.minutes("xyz", DAY, steady(10))
    prepare = """
def prepare(self):
    self.add_equity("XYZ", Resolution.MINUTE)
    self.schedule.on(self.date_rules.every_day(), self.time_rules.at(9, 32), lambda: self.stamp("schedule"))
    self.consolidate("XYZ", timedelta(minutes=2), lambda bar: self.stamp("consolidator"))
"""
    body = """
def on_order_event(self, event):
    if event.status == OrderStatus.FILLED:
        self.stamp("fill of %d" % event.order_id)

def on_end_of_algorithm(self):
    self.stamp("end")

def on_data(self, data):
    self.stamp("data")
    if self.time.minute == 31:
        self.limit_order("XYZ", 1, 11)
    if self.time.minute == 32:
        self.market_order("XYZ", 1, asynchronous=True)
        self.stamp("after the call")
"""
    seen = run(source(body, prepare), market).algorithm.seen
    moment = [item.partition(" ")[2] for item in seen if item.startswith("07 09:32")]
    assert [item.partition(" ")[2] for item in moment] == [
        "fill of 1", "schedule", "consolidator", "data", "fill of 2", "after the call",
    ]  # fmt: skip
    assert seen[-1].endswith("end")


@rule("2.2")
def test_a_scheduled_event_between_bars_has_its_own_time_and_the_old_price(run, market):
    market.days("xyz", [("20131007", 10, 10, 10, 10, 1), ("20131008", 20, 20, 20, 20, 1)])
    prepare = """
def prepare(self):
    self.add_equity("XYZ", Resolution.DAILY)
    rule = self.time_rules.at(10, 0)
    self.schedule.on(self.date_rules.every_day(), rule, lambda: self.stamp(self.securities["XYZ"].price))
"""
    assert run(source("", prepare, last=8), market).algorithm.seen == ["07 10:00 0.0", "08 10:00 10.0"]


@rule("2.1")
def test_points_that_end_together_are_one_slice(run, market):
    market.minutes("xyz", DAY, steady(10, count=3))
    market.minutes("abc", DAY, steady(20, count=3))
    prepare = EQUITY + '    self.add_equity("ABC", Resolution.MINUTE)\n'
    body = "\ndef on_data(self, data):\n    self.stamp(sorted(str(symbol) for symbol in data.bars.keys()))\n"
    seen = run(source(body, prepare), market).algorithm.seen
    assert seen[:3] == [f"07 09:3{n} ['ABC', 'XYZ']" for n in (1, 2, 3)]


@rule("2.3")
def test_quit_ends_the_run_and_keeps_the_statistics(run, market):
    market.minutes("xyz", DAY, steady(10))
    body = '\ndef on_data(self, data):\n    self.stamp("data")\n    self.quit("enough")\n'
    result = run(source(body), market)
    assert result.algorithm.seen == ["07 09:31 data"]
    # LEAN calls a run that came to its end completed, whoever ended it.
    assert result.status == "Completed"
    assert result.statistics["End Equity"] in ("100000", "100000.00")


@rule("2.4")
def test_an_error_in_a_handler_ends_the_run_with_the_users_line(run, market):
    market.minutes("xyz", DAY, steady(10))
    body = "\ndef on_data(self, data):\n    return 1 / 0\n"
    with pytest.raises(AlgorithmError, match=r"main\.py:\d+: ZeroDivisionError") as caught:
        run(source(body), market)
    assert caught.value.result.status == "RuntimeError"


@rule("2.5")
def test_the_end_of_day_is_ten_minutes_before_the_close(run, market):
    market.minutes("xyz", DAY, [*steady(10), *steady(10, "15:48", 12)])
    body = "\ndef on_end_of_day(self, symbol):\n    self.stamp(symbol)\n"
    assert run(source(body), market).algorithm.seen == ["07 15:50 XYZ"]


@rule("0.3", "19.1")
def test_a_daily_bar_ends_at_the_close_and_earlier_before_holidays(run, market):
    market.days("xyz", [("20131127", 10, 10, 10, 10, 1), ("20131129", 11, 11, 11, 11, 1)])
    prepare = '\ndef prepare(self):\n    self.add_equity("XYZ", Resolution.DAILY)\n'
    body = '\ndef on_data(self, data):\n    self.stamp(data.bars["XYZ"].end_time.strftime("%H:%M"))\n'
    text = source(body, prepare).replace("2013, 10, 7)", "2013, 11, 27)", 1).replace("2013, 10, 7)", "2013, 11, 29)")
    # The day after Thanksgiving the market closes at 13:00.
    assert run(text, market).algorithm.seen == ["27 16:00 16:00", "29 13:00 13:00"]


@rule("0.5", "6.2")
def test_a_missing_bar_is_filled_forward_without_volume_or_new_price(run, market):
    market.minutes("xyz", DAY, [("09:30", 10, 11, 9, 10.5, 700), ("09:33", 12, 12, 12, 12, 5)])
    prepare = EQUITY + '    self.consolidate("XYZ", timedelta(minutes=1), lambda bar: self.stamp("consolidated"))\n'
    body = """
def on_data(self, data):
    bar = data.bars["XYZ"]
    if self.time.minute < 35 and self.time.hour == 9:
        kept = self.securities["XYZ"].cache.get_data()
        self.stamp((bar.is_fill_forward, bar.close, bar.volume, kept.volume, kept.end_time.strftime("%H:%M")))
"""
    seen = run(source(body, prepare), market).algorithm.seen
    assert [item for item in seen if "(" in item] == [
        "07 09:31 (False, 10.5, 700.0, 700.0, '09:31')",
        "07 09:32 (True, 10.5, 0.0, 700.0, '09:31')",
        "07 09:33 (True, 10.5, 0.0, 700.0, '09:31')",
        "07 09:34 (False, 12.0, 5.0, 5.0, '09:34')",
    ]
    assert [item[3:8] for item in seen if "consolidated" in item][:4] == ["09:31", "09:32", "09:33", "09:34"]


@rule("6.2")
def test_bars_are_filled_forward_once_however_long_the_data_ends_before_the_run(run, market):
    market.minutes("xyz", DAY, steady(10, count=390))
    body = """
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2014, 1, 31)
    self.set_cash(100000)
    self.add_equity("XYZ", Resolution.MINUTE)
    self.set_benchmark(lambda moment: 0)
    self.kept = {}
    self.consolidate("XYZ", timedelta(minutes=1), lambda bar: None)
    self.average = self.sma("XYZ", 3)

def on_data(self, data):
    assert len(data.bars) == 1
    day = self.kept.setdefault(self.time.date(), [])
    assert not day or day[-1] < self.time, f"{self.time} after {day[-1]}"
    day.append(self.time)
"""
    result = run(body, market)
    days = result.algorithm.kept
    # Files are read 31 days at a time; 29 November and 24 December are half days.
    assert len(days) == 81
    assert sorted({len(times) for times in days.values()}) == [210, 390]
    assert result.bars == sum(map(len, days.values())) == result.algorithm.average.samples


@rule("6.2")
def test_nothing_is_filled_forward_when_the_market_is_closed_or_the_user_wants_none(run, market):
    market.minutes("xyz", DAY, steady(10, "09:30", 2))
    body = '\ndef on_data(self, data):\n    self.stamp("data")\n'
    seen = run(source(body), market).algorithm.seen
    assert seen[0].startswith("07 09:31")
    assert seen[-1].startswith("07 16:00")
    assert len(seen) == 390  # minutes of a trading day
    prepare = EQUITY.replace("Resolution.MINUTE", "Resolution.MINUTE, fill_forward=False")
    assert len(run(source(body, prepare), market).algorithm.seen) == 2


@rule("6.1")
def test_a_missing_day_is_no_data(run, market):
    market.minutes("xyz", DAY, steady(10, "09:30", 1))
    market.minutes("xyz", "20131009", steady(11, "09:30", 1))
    prepare = EQUITY.replace("Resolution.MINUTE", "Resolution.MINUTE, fill_forward=False")
    body = '\ndef on_data(self, data):\n    self.stamp(data.bars["XYZ"].close)\n'
    assert run(source(body, prepare, last=9), market).algorithm.seen == ["07 09:31 10.0", "09 09:31 11.0"]


@rule("0.13", "8.1", "1.3")
def test_a_bar_that_ends_at_the_start_is_kept_where_the_market_is_open(run, market):
    # 03:59 to 04:00 UTC is 23:59 to midnight in New York.
    market.forex_minutes("eurusd", "20131008", [("03:58", 1.1, 1.2), ("03:59", 1.3, 1.4), ("04:00", 1.5, 1.6)])
    prepare = '\ndef prepare(self):\n    self.add_forex("EURUSD", Resolution.MINUTE, fill_forward=False)\n'
    body = '\ndef on_data(self, data):\n    self.stamp((data["EURUSD"].bid.close, str(self.utc_time)[11:16]))\n'
    seen = run(source(body, prepare, first=8, last=8), market).algorithm.seen
    assert seen == ["08 00:00 (1.3, '04:00')", "08 00:01 (1.5, '04:01')"]


@rule("3.1", "3.2")
def test_a_warm_up_runs_handlers_and_refuses_orders(run, market):
    market.days("xyz", [(f"201310{day:02d}", 10, 10, 10, 10, 1) for day in (3, 4, 7, 8)])
    prepare = '\ndef prepare(self):\n    self.add_equity("XYZ", Resolution.DAILY)\n    self.set_warm_up(2)\n'
    body = """
def on_warmup_finished(self):
    self.stamp("finished")

def on_data(self, data):
    ticket = self.market_order("XYZ", 1)
    self.stamp((self.is_warming_up, str(ticket.status)))
"""
    assert run(source(body, prepare, last=8), market).algorithm.seen == [
        "03 16:00 (True, 'Invalid')",
        "04 16:00 (True, 'Invalid')",
        "07 00:00 finished",
        "07 16:00 (False, 'Submitted')",
        "08 16:00 (False, 'Submitted')",
    ]


@rule("3.2")
def test_the_end_of_warm_up_is_told_without_a_warm_up_too(run, market):
    market.minutes("xyz", DAY, steady(10))
    body = '\ndef on_warmup_finished(self):\n    self.stamp("finished")\n'
    assert [item[9:] for item in run(source(body), market).algorithm.seen] == ["finished"]


@rule("3.3")
def test_a_warm_up_on_other_bars_than_the_subscribed_ones_is_refused(run, market):
    market.minutes("xyz", DAY, steady(10))
    prepare = EQUITY + "    self.set_warm_up(2, Resolution.{})\n"
    told = run(source("", prepare.format("DAILY")), market, errors=True).error
    assert re.search(r"set_warm_up\(\.\.\., Resolution\.Daily\) is not supported", told)
    assert run(source("", prepare.format("MINUTE")), market).status == "Completed"


@rule("0.4", "7.2", "16.1")
@pytest.mark.parametrize(("mode", "cash"), [("RAW", "100005.0"), ("ADJUSTED", "100000.0")])
def test_a_dividend_is_a_slice_at_midnight_and_paid_on_raw_data(run, market, mode, cash):
    days = [("20131007", 10, 10, 10, 10, 1), ("20131008", 9.5, 9.5, 9.5, 9.5, 1)]
    market.days("xyz", days)
    market.map("xyz", ["19980102,xyz", "20501231,xyz"])
    # From a price factor of 0.95 to 1 at a close of 10: 10 x (1 - 0.95) = 0.50 a share.
    market.factors("xyz", ["19980102,0.95,1,0", "20131007,0.95,1,10", "20501231,1,1,0"])
    prepare = f"""
def prepare(self):
    self.xyz = self.add_equity("XYZ", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.{mode})
    self.xyz.holdings.set_holdings(0, 10)
"""
    body = """
def on_dividends(self, dividends):
    self.stamp("dividend %.2f" % dividends["XYZ"].distribution)

def on_data(self, data):
    self.stamp((data.bars.count, self.portfolio.cash))
"""
    seen = run(source(body, prepare.replace("(0, 10)", "(0, 10)"), last=8), market).algorithm.seen
    assert "08 00:00 dividend 0.50" in seen
    assert any(item.startswith("08 00:00 (0,") for item in seen)
    holder = prepare.replace("set_holdings(0, 10)", "set_holdings(10, 10)")
    seen = run(source(body, holder, last=8), market).algorithm.seen
    assert f"08 00:00 (0, {cash})" in seen


@rule("7.1")
def test_adjusted_prices_are_raw_ones_by_the_factor_of_their_date(run, market):
    market.days("xyz", [("20131007", 10, 10, 10, 10, 100), ("20131008", 5, 5, 5, 5, 100)])
    market.map("xyz", ["19980102,xyz", "20501231,xyz"])
    market.factors("xyz", ["19980102,0.9,0.5,0", "20131007,0.9,0.5,10", "20501231,1,1,0"])
    prepare = """
def prepare(self):
    self.add_equity("XYZ", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.{})
"""
    body = '\ndef on_data(self, data):\n    if data.bars.count:\n        self.stamp(data.bars["XYZ"].close)\n'
    wanted = {"ADJUSTED": ["4.5", "5.0"], "SPLIT_ADJUSTED": ["5.0", "5.0"], "RAW": ["10.0", "5.0"]}
    for mode, prices in wanted.items():
        seen = run(source(body, prepare.format(mode), last=8), market).algorithm.seen
        assert [item[9:] for item in seen] == prices, mode


@rule("16.2", "7.1")
def test_a_split_doubles_raw_shares_and_halves_their_price(run, market):
    market.days("xyz", [("20131007", 10, 10, 10, 10, 1), ("20131008", 5, 5, 5, 5, 1)])
    market.map("xyz", ["19980102,xyz", "20501231,xyz"])
    market.factors("xyz", ["19980102,1,0.5,0", "20131007,1,0.5,10", "20501231,1,1,0"])
    prepare = """
def prepare(self):
    self.xyz = self.add_equity("XYZ", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW)
    self.xyz.holdings.set_holdings(10, 7)
"""
    body = """
def on_data(self, data):
    holding = self.portfolio["XYZ"]
    kinds = [split.type for split in data.splits.values()]
    self.stamp((holding.quantity, holding.average_price, [str(kind) for kind in kinds]))
"""
    seen = run(source(body, prepare, last=8), market).algorithm.seen
    assert "08 00:00 (14.0, 5.0, ['SplitOccurred'])" in seen


@rule("16.3", "7.3")
def test_a_delisting_warns_closes_the_holding_and_says_so(run, market):
    days = [(f"201310{day:02d}", 10, 10, 10, 10, 1) for day in (7, 8, 9)]
    market.days("xyz", days)
    market.map("xyz", ["19980102,xyz", "20131008,xyz"])
    prepare = """
def prepare(self):
    self.xyz = self.add_equity("XYZ", Resolution.DAILY)
    self.xyz.holdings.set_holdings(10, 7)
"""
    body = """
def on_delistings(self, delistings):
    self.stamp(delistings["XYZ"].type)

def on_order_event(self, event):
    self.stamp((str(event.status), event.fill_quantity, event.order_fee.value.amount))
"""
    result = run(source(body, prepare, last=10), market)
    told = [item for item in result.algorithm.seen if "Filled" in item or "Warning" in item or "Delisted" in item]
    assert [item[9:] for item in told] == ["Warning", "('Filled', -7.0, 0.0)", "Delisted"]
    assert not result.algorithm.portfolio.invested


@rule("1.2")
def test_an_end_before_the_start_is_an_error(run, market):
    with pytest.raises(AlgorithmError, match="the end date 2013-10-06 is before the start date 2013-10-07"):
        run(source("", EQUITY, last=6), market)


@rule("4.1")
def test_the_closing_minute_is_closed_and_the_opening_minute_is_open(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 1), *steady(10, "15:58", 2)])
    prepare = (
        EQUITY
        + """    for hour, minute in ((9, 29), (9, 30), (15, 59), (16, 0)):
        rule = self.time_rules.at(hour, minute)
        exchange = self.securities["XYZ"].exchange
        self.schedule.on(self.date_rules.every_day("XYZ"), rule, lambda: self.stamp(exchange.exchange_open))
"""
    )
    seen = run(source("", prepare), market).algorithm.seen
    assert seen == ["07 09:29 False", "07 09:30 True", "07 15:59 True", "07 16:00 False"]


PAIR_AT_NOON = """
def prepare(self):
    self.universe_settings.resolution = Resolution.MINUTE
    every_noon = self.date_rules.every_day(), self.time_rules.at(12, 0, TimeZones.UTC)
    pair = Symbol.create("EURUSD", SecurityType.FOREX, Market.OANDA)
    self.set_universe_selection(ScheduledUniverseSelectionModel(*every_noon, lambda moment: [pair]))

def on_securities_changed(self, changes):
    self.stamp([(str(item.symbol), item.price) for item in changes.added_securities])
"""


@rule("2.7", "2.8")
def test_what_a_universe_selects_comes_with_the_bar_that_ends_then(run, market):
    """The selection has a moment of its own: its securities' bars of that moment are in the same slice."""
    market.forex_minutes("eurusd", DAY, [("11:58", 1.1, 1.1), ("11:59", 1.2, 1.2), ("12:00", 1.3, 1.3)])
    body = """
def on_data(self, data):
    if data.quote_bars and self.time.hour == 8 and self.time.minute < 2:
        bar = data.quote_bars["EURUSD"]
        self.stamp((bar.end_time.strftime("%H:%M"), bar.close, bar.is_fill_forward))
"""
    # 12:00 of UTC is 8:00 of New York.
    assert run(source(body, PAIR_AT_NOON), market).algorithm.seen == [
        "07 08:00 [('EURUSD', 1.2)]",
        "07 08:00 ('08:00', 1.2, False)",
        "07 08:01 ('08:01', 1.3, False)",
    ]


@rule("15.1")
def test_a_currency_that_comes_during_the_run_has_the_last_rate_at_once(run, market):
    market.forex_minutes("eurusd", DAY, [("11:50", 1.1, 1.2), ("12:30", 1.3, 1.3)])
    body = """
def on_data(self, data):
    if data.quote_bars and self.time.hour == 8 and self.time.minute < 32:
        self.stamp((data.quote_bars["EURUSD"].close, self.portfolio.cash_book["EUR"].conversion_rate))
"""
    assert run(source(body, PAIR_AT_NOON), market).algorithm.seen == [
        "07 08:00 [('EURUSD', 1.15)]",
        "07 08:31 (1.3, 1.3)",
    ]


@rule("2.7", "7.2")
@pytest.mark.parametrize(("selected", "told"), [(8, ["09 00:00 Dividend"]), (9, [])], ids=["day-before", "same-day"])
def test_a_dividend_is_told_to_who_had_the_security_the_day_before(run, market, selected, told):
    market.days("xyz", [(f"201310{day:02d}", 10, 10, 10, 10, 1) for day in (7, 8, 9, 10)])
    market.factors("xyz", ["20131008,0.99,1,10", "20501231,1,1,0"])
    market.map("xyz", ["19980102,xyz", "20501231,xyz"])
    prepare = f"""
def prepare(self):
    self.universe_settings.resolution = Resolution.DAILY
    self.add_universe("mine", lambda moment: ["XYZ"] if moment.day >= {selected} else [])
"""
    body = """
def on_dividends(self, dividends):
    self.stamp(type(dividends["XYZ"]).__name__)
"""
    assert run(source(body, prepare, last=10), market).algorithm.seen == told
