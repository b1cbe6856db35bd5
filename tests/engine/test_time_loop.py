"""Semantics 2, 3, 6, 7 and 16: slices, order of work, warm-up, corporate events, fill-forward."""

from __future__ import annotations

import zipfile

import pytest


def test_first_slice_is_the_start_midnight_with_the_changes_and_no_data(run, spy_minute):
    """Rule 2.1."""
    result = run(
        spy_minute()
        + """
def on_securities_changed(self, changes):
    self.log(f'changes at {self.time}: {changes}')

def on_data(self, data):
    if not hasattr(self, 'first'):
        self.first = self.time
"""
    )

    assert any("changes at 2013-10-07 00:00:00: SecurityChanges: Added: SPY" in line for line in result.log_lines)
    assert str(result.algorithm.first) == "2013-10-07 09:31:00"


def test_24_hour_market_has_a_bar_at_the_start_and_one_after_the_end(run):
    """Rule 0.13."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2018, 4, 4)
            self.set_end_date(2018, 4, 4)
            self.set_benchmark(lambda time: 0)
            self.btc = self.add_crypto('BTCEUR', Resolution.MINUTE, Market.COINBASE).symbol
            self.times = []

        def on_data(self, data):
            self.times.append(self.time)
        """
    )

    assert str(result.algorithm.times[0]) == "2018-04-04 00:00:00"
    assert str(result.algorithm.times[-1]) == "2018-04-05 00:00:00"


def test_daily_bars_end_at_the_close(run):
    """Rules 0.3 and 6.1."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 8)
            self.set_end_date(2013, 10, 10)
            self.spy = self.add_equity('SPY', Resolution.DAILY).symbol
            self.seen = []

        def on_data(self, data):
            bar = data.bars[self.spy]
            self.seen.append((str(self.time), str(bar.time), str(bar.end_time)))
        """
    )

    assert result.algorithm.seen[0] == ("2013-10-08 16:00:00", "2013-10-08 09:30:00", "2013-10-08 16:00:00")
    assert len(result.algorithm.seen) == 3


def test_a_dividend_is_data_and_pays_cash_on_raw_prices_only(run):
    """Rules 0.4, 7 and 16: SPY paid 0.834 on 20 September 2013."""
    body = """
        def initialize(self):
            self.set_start_date(2013, 9, 17)
            self.set_end_date(2013, 9, 24)
            self.spy = self.add_equity('SPY', Resolution.DAILY,
                                       data_normalization_mode=DataNormalizationMode.{mode}).symbol
            self.paid = []

        def on_data(self, data):
            if data.dividends.contains_key(self.spy):
                event = data.dividends[self.spy]
                self.paid.append((str(self.time), event.distribution, data.contains_key(self.spy)))
            if not self.portfolio.invested and data.contains_key(self.spy):
                self.market_order(self.spy, 100)
        """
    raw = run(body.format(mode="RAW"))
    adjusted = run(body.format(mode="ADJUSTED"))

    assert len(raw.algorithm.paid) == 1
    moment, distribution, is_there = raw.algorithm.paid[0]
    assert (moment, is_there) == ("2013-09-20 00:00:00", True)
    assert adjusted.algorithm.paid == raw.algorithm.paid
    assert raw.algorithm.portfolio[raw.algorithm.spy].total_dividends == pytest.approx(100 * distribution)
    assert adjusted.algorithm.portfolio[adjusted.algorithm.spy].total_dividends == 0


def test_a_split_of_raw_prices_multiplies_the_position(run):
    """Rule 16: AAPL split 7:1 on 9 June 2014; the rounded factor leaves 69 whole shares, the rest is paid out."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2014, 6, 4)
            self.set_end_date(2014, 6, 11)
            self.aapl = self.add_equity('AAPL', Resolution.DAILY,
                                        data_normalization_mode=DataNormalizationMode.RAW).symbol
            self.events = []

        def on_data(self, data):
            for pair in data.splits:
                self.events.append((str(self.time), str(pair.value.type)))
                security = self.securities[self.aapl]
                self.seen = security.price, security.close, security.get_last_data().close, security.high
            if not self.portfolio.invested and data.contains_key(self.aapl):
                self.market_order(self.aapl, 10)
        """
    )

    holding = result.algorithm.portfolio[result.algorithm.aapl]
    assert holding.quantity == 69
    assert [kind for _, kind in result.algorithm.events] == ["Warning", "SplitOccurred"]
    fill = next(event for event in result.order_events if event.exact_fill_quantity)
    assert holding.average_price == pytest.approx(fill.fill_price / 7, rel=1e-5)
    paid_out = result.algorithm.portfolio.cash - (100000 - 10 * fill.fill_price - 1)
    assert paid_out == pytest.approx(645.57 / 7, rel=1e-3)
    price, close, last, high = result.algorithm.seen
    assert price == close == last == pytest.approx(645.57 / 7, rel=1e-3)
    assert close <= high < 1.02 * close


def test_fill_forward_bars_reach_on_data_but_not_the_price(run):
    """Rules 0.5 and 6.2: between 17:00 and 18:00 New York forex is closed only for five minutes."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2014, 5, 5)
            self.set_end_date(2014, 5, 6)
            self.eurusd = self.add_forex('EURUSD', Resolution.HOUR).symbol
            self.add_equity('SPY', Resolution.HOUR)
            self.copies = 0

        def on_data(self, data):
            bar = data.quote_bars.get(self.eurusd)
            if bar is not None and bar.is_fill_forward:
                self.copies += 1
                assert bar.close == self.securities[self.eurusd].price
                assert self.securities[self.eurusd].get_last_data().end_time < bar.end_time
        """
    )

    assert result.status == "Completed"


def test_warm_up_feeds_handlers_before_the_start(run, spy_minute):
    """Rules 3 and 0.13: a bar that ends exactly where the warm-up begins belongs to it."""
    result = run(
        spy_minute("self.set_warm_up(30)\nself.counts = [0, 0]")
        + """
def on_warmup_finished(self):
    self.finished = (self.time, list(self.counts), self.is_warming_up)

def on_data(self, data):
    self.counts[not self.is_warming_up] += 1
"""
    )

    moment, counts, warming = result.algorithm.finished
    assert (str(moment), warming) == ("2013-10-07 00:00:00", False)
    assert counts == [31, 0]
    assert result.algorithm.counts[1] == 5 * 390


def test_scheduled_event_fires_after_the_bar_and_before_on_data(run, spy_minute):
    """Rules 2.2 and 18.1."""
    result = run(
        spy_minute(
            "self.schedule.on(self.date_rules.on(2013, 10, 7), self.time_rules.at(10, 0), self.ten)\nself.order_of = []"
        )
        + """
def ten(self):
    self.order_of.append(('event', self.time.minute, self.securities[self.spy].get_last_data().end_time.minute))

def on_data(self, data):
    if self.time.day == 7 and self.time.hour == 10 and self.time.minute == 0:
        self.order_of.append(('data', self.time.minute, 0))
"""
    )

    assert result.algorithm.order_of == [("event", 0, 0), ("data", 0, 0)]


def test_end_of_day_fires_ten_minutes_before_the_close(run, spy_minute):
    """Rule 2.3."""
    result = run(
        spy_minute("self.days = []")
        + """
def on_end_of_day(self, symbol):
    self.days.append(f'{symbol} {self.time:%d %H:%M}')
"""
    )

    assert result.algorithm.days == [f"SPY {day:02d} 15:50" for day in range(7, 12)]


def test_quit_ends_the_run_at_the_next_slice(run, spy_minute):
    """Rule 2.3."""
    result = run(
        spy_minute("self.count = 0")
        + """
def on_data(self, data):
    self.count += 1
    if self.count == 3:
        self.quit('enough')
"""
    )

    assert (result.algorithm.count, result.status) == (3, "Completed")
    assert result.statistics["Total Orders"] == "0"


def test_securities_added_later_start_with_later_data_and_report_the_change(run, spy_minute):
    """Rule 2.1."""
    result = run(
        spy_minute("self.log_of = []")
        + """
def on_data(self, data):
    if self.time.day == 8 and not hasattr(self, 'more'):
        self.more = self.add_equity('AAPL', Resolution.DAILY).symbol
        self.added_at = str(self.time)
    if hasattr(self, 'more') and data.contains_key(self.more):
        self.log_of.append(str(self.time))

def on_securities_changed(self, changes):
    for security in changes.added_securities:
        self.log(f'added {security.symbol} {self.time}')
"""
    )

    assert result.algorithm.log_of[0] == "2013-10-08 16:00:00"
    assert any(f"added AAPL {result.algorithm.added_at}" in line for line in result.log_lines)


def test_removed_security_is_liquidated_and_its_stream_ends(run, spy_minute):
    """Rule 17.7 and RemoveSecurity."""
    result = run(
        spy_minute("self.last = None")
        + """
def on_data(self, data):
    self.last = self.time
    if not self.portfolio.invested and self.time.day == 7:
        self.market_order(self.spy, 10)
    if self.time.day == 8:
        self.remove_security(self.spy)
"""
    )

    assert [order.tag for order in result.orders] == ["", "Removed"]
    assert (result.algorithm.last.day, result.algorithm.last.minute) == (8, 31)


@pytest.mark.parametrize("start", ["2014, 4, 4", "2014, 4, 5", "2014, 5, 1"])
def test_minutes_are_the_same_wherever_the_run_began(run, start, data_folder):
    """Files are read in portions of days of the data's time zone, which is not the exchange's here."""
    result = run(
        f"""
        def initialize(self):
            self.set_start_date({start})
            self.set_end_date(2014, 5, 6)
            self.set_benchmark(lambda time: 0)
            self.eurusd = self.add_forex('EURUSD', Resolution.MINUTE).symbol
            self.closes = {{}}

        def on_data(self, data):
            bar = data.quote_bars.get(self.eurusd)
            if bar is not None:
                self.closes[str(self.time)] = bar.close
        """
    )

    for day in (5, 6):  # 00:30 to 03:30 UTC is the evening before in New York
        rows = _minutes(data_folder / f"forex/oanda/minute/eurusd/201405{day:02}_quote.zip")
        expected = [sum(rows[max(minute for minute in rows if minute < hour * 60 + 30)]) / 2 for hour in range(4)]
        closes = [result.algorithm.closes[f"2014-05-{day - 1:02} {20 + hour}:30:00"] for hour in range(4)]
        assert closes == pytest.approx(expected, abs=1e-9)


def _minutes(path):
    """Closing bid and ask by the minute of the file's day."""
    with zipfile.ZipFile(path) as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    fields = [line.split(",") for line in lines]
    return {int(row[0]) // 60_000: (float(row[4]), float(row[9])) for row in fields}
