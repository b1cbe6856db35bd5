"""Members that LEAN's own algorithms use: what they give in a run."""

from __future__ import annotations

import shutil

import pytest


def test_dates_and_cash_can_be_given_by_name(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(month=10, day=8, year=2013)
            self.set_end_date(day=9, month=10, year=2013)
            self.set_cash(starting_cash=5000)
            self.set_cash(symbol="EUR", starting_cash=10, conversion_rate=1.5)
        """
    )
    algorithm = result.algorithm
    assert (algorithm.start_date.day, algorithm.end_date.day) == (8, 9)
    assert algorithm.portfolio.cash_book["USD"].amount == 5000
    assert algorithm.portfolio.cash_book["EUR"].amount == 10


def test_an_argument_of_another_name_is_named(run):
    body = "def initialize(self):\n    self.set_start_date(years=2013, month=10, day=8)\n"
    with pytest.raises(Exception, match="no argument 'years'; known: year, month, day"):
        run(body)


def test_what_hangs_on_a_security_is_found_by_item_attribute_and_method(run, spy_minute):
    result = run(
        spy_minute(
            "spy = self.spy_security = self.securities['SPY']\n"
            "spy.factor = 2\n"
            "spy['band'] = 3\n"
            "spy.add('fees', {})\n"
            "spy['price'] = 'mine'\n"
        )
        + """
def on_data(self, data):
    self.quit("seen")
"""
    )
    spy = result.algorithm.securities["SPY"]
    assert (spy["factor"], spy.band, spy["fees"], spy.get[int]("band")) == (2, 3, {}, 3)
    assert (spy.try_get("factor"), spy.try_get("cache"), spy.get("nothing", 7)) == ((True, 2), (False, None), 7)
    # The security's own price is not hidden.
    assert spy["price"] == "mine"
    assert spy.price > 100
    with pytest.raises(KeyError, match="no custom property 'nothing'; it has: factor, band, fees, price"):
        spy["nothing"]


def test_the_symbol_cache_knows_what_the_run_has_subscribed(run, spy_minute):
    source = spy_minute(
        "self.found = SymbolCache.try_get_symbol('SPY', None), SymbolCache.try_get_symbol('AAPL', None)"
    )
    (known, symbol), unknown = run(source).algorithm.found
    assert known
    assert str(symbol) == "SPY"
    assert unknown == (False, None)


def test_a_currency_knows_the_securities_that_convert_it(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2014, 5, 5)
            self.set_end_date(2014, 5, 6)
            self.add_forex("EURUSD", Resolution.HOUR, Market.OANDA)

        def on_end_of_algorithm(self):
            cash = self.portfolio.cash_book["EUR"]
            self.way, self.rate = cash.currency_conversion, cash.conversion_rate
        """
    )
    way = result.algorithm.way
    assert (way.source_currency, way.destination_currency) == ("EUR", "USD")
    assert [str(security.symbol) for security in way.conversion_rate_securities] == ["EURUSD"]
    assert way.conversion_rate == result.algorithm.rate > 1


def test_an_order_below_the_smallest_margin_is_told_apart(run, spy_minute):
    result = run(
        spy_minute()
        + """
def on_data(self, data):
    spy = self.securities["SPY"]
    enough = BuyingPowerModelExtensions.above_minimum_order_margin_portfolio_percentage
    self.told = [enough(spy.buying_power_model, spy, n, self.portfolio, 0.01) for n in (1, 100)]
    self.quit("seen")
"""
    )
    assert result.algorithm.told == [False, True]


def test_end_of_day_comes_for_securities_that_came_later_and_not_after_they_left(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 11)
            self.add_equity("SPY", Resolution.MINUTE)
            self.told = []

        def on_end_of_day(self, symbol):
            self.told.append((self.time.day, self.time.strftime("%H:%M"), str(symbol)))
            if symbol == "SPY" and self.time.day == 7:
                self.add_equity("AAPL", Resolution.DAILY)
            if symbol == "SPY" and self.time.day == 10:
                self.remove_security("AAPL")
        """
    )
    told = result.algorithm.told
    assert {time for _, time, _ in told} == {"15:50"}
    assert [day for day, _, symbol in told if symbol == "SPY"] == [7, 8, 9, 10, 11]
    # It came at the very time of the 7th's event.
    days = [day for day, _, symbol in told if symbol == "AAPL"]
    assert days[:2] == [8, 9]
    assert 11 not in days


def test_custom_data_takes_the_hours_of_equities(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 8)
            self.set_end_date(2013, 10, 8)
            self.mine = self.add_equity("SPY", Resolution.DAILY)
            self.mine.exchange = EquityExchange()
            self.open = [self.mine.exchange.hours.is_date_open(datetime(2013, 10, day)) for day in (11, 12)]
            self.year = self.mine.exchange.trading_days_per_year
        """
    )
    assert result.algorithm.open == [True, False]
    assert result.algorithm.year == 252


def test_a_slice_of_a_dividend_alone_has_the_symbol_and_no_data_of_it(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 9, 16)
            self.set_end_date(2013, 9, 27)
            self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
            self.told = []

        def on_data(self, data):
            if data.dividends.count:
                self.told.append((data.contains_key(self.spy), data[self.spy], data.get(self.spy), data.count,
                                  list(data.keys()), data.values(), data.try_get_value(self.spy)[0]))
                try:
                    data["AAPL"]
                except KeyError as error:
                    self.refused = str(error)
        """
    )
    spy = result.algorithm.spy
    assert result.algorithm.told == [(True, None, None, 1, [spy], [], False)]
    assert "AAPL has no data in this slice" in result.algorithm.refused


def test_industry_identifiers_are_those_of_the_security_database(run, data_folder, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(data_folder, folder)
    database = folder / "symbol-properties" / "security-database.csv"
    database.write_text("# made up\nSPY R735QTJ8XC9X,78462F10,BBG000BDTBL9,,US78462F1030,884394\n", encoding="utf-8")
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            spy = self.add_equity("SPY", Resolution.DAILY).symbol
            self.told = [spy.cusip, spy.CUSIP, self.cusip(spy), self.composite_figi(spy)]
            self.told += [spy.sedol, spy.isin, self.cik(spy)]
            self.unknown = self.add_equity("AAPL", Resolution.DAILY).symbol.cusip
            try:
                self.cusip("78462F10")
            except Exception as error:
                self.refused = f"{type(error).__name__}: {error}"
        """,
        data_folder=folder,
    )
    figi, isin = "BBG000BDTBL9", "US78462F1030"
    assert result.algorithm.told == ["78462F10", "78462F10", "78462F10", figi, None, isin, 884394]
    assert result.algorithm.unknown is None
    assert result.algorithm.refused.startswith("UnsupportedLeanApi")
    assert "QCAlgorithm.cusip" in result.algorithm.refused
