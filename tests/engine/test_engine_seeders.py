"""Security initializers, seeders, volatility models, LEAN's file names."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest

from llm_plugin.engine.base.enums import Resolution, SecurityType, TickType
from llm_plugin.engine.base.zones import zone
from llm_plugin.engine.data.bars import TradeBar
from llm_plugin.engine.data.lean_paths import Compression, LeanData
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.engine.models.volatility import (
    RelativeStandardDeviationVolatilityModel,
    StandardDeviationOfReturnsVolatilityModel,
)

DAY = timedelta(days=1)


def test_a_seeder_gives_price_quote_and_sizes_before_the_first_slice(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 8)
            self.set_end_date(2013, 10, 8)
            seeder = FuncSecuritySeeder(self.get_last_known_prices)
            self.set_security_initializer(BrokerageModelSecurityInitializer(self.brokerage_model, seeder))
            spy = self.add_equity('SPY', Resolution.MINUTE)
            self.seen = [spy.has_data, spy.price, spy.bid_price, spy.ask_price, spy.bid_size, spy.volume, spy.open]
        """
    )

    has_data, *numbers = result.algorithm.seen
    assert has_data
    assert all(number > 0 for number in numbers)
    price, bid, ask = numbers[:3]
    assert bid <= ask
    assert price == pytest.approx(bid, rel=0.001)


def test_initializers_run_in_order_and_the_leverage_given_has_the_last_word(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 8)
            self.set_end_date(2013, 10, 8)
            self.seen = []
            self.SetSecurityInitializer(CompositeSecurityInitializer(
                FuncSecurityInitializer(lambda security: self.seen.append(len(security.subscriptions))),
                FuncSecurityInitializer(lambda security: security.set_leverage(9))))
            self.seen += [self.add_equity('SPY', Resolution.MINUTE, leverage=3).leverage]
            self.seen += [self.add_equity('IBM', Resolution.MINUTE).leverage]
        """
    )

    assert result.algorithm.seen == [2, 3, 2, 9]


def test_settings_seed_initial_prices_gives_each_new_security_its_last_price(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 8)
            self.set_end_date(2013, 10, 8)
            self.settings.seed_initial_prices = True
            self.seen = self.add_equity('SPY', Resolution.MINUTE).price
        """
    )

    assert result.algorithm.seen > 100


def prices(values: list[float]) -> list[TradeBar]:
    start = datetime(2013, 10, 7)
    return [TradeBar(start + DAY * at, None, v, v, v, v, 1, DAY) for at, v in enumerate(values)]


def test_volatility_of_returns_is_annual():
    """Returns 0.1 and -0.1: sample deviation sqrt(0.02), times sqrt(252)."""
    model = StandardDeviationOfReturnsVolatilityModel(2)
    for bar in prices([100, 110, 99]):
        model.update(None, bar)

    assert model.volatility == pytest.approx(math.sqrt(0.02) * math.sqrt(252))


def test_relative_volatility_is_deviation_over_mean():
    model = RelativeStandardDeviationVolatilityModel(DAY, 3)
    for bar in prices([90, 100, 110]):
        model.update(None, bar)

    assert model.volatility == pytest.approx(0.1)


def test_a_volatility_model_starts_with_history(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 8)
            self.set_end_date(2013, 10, 8)
            spy = self.add_equity('SPY', Resolution.DAILY)
            self.model = StandardDeviationOfReturnsVolatilityModel(10)
            spy.set_volatility_model(self.model)

        def on_warmup_finished(self):
            self.seen = self.model.Volatility
        """
    )

    assert 0.01 < result.algorithm.seen < 0.5


@pytest.mark.parametrize("make", [lambda: StandardDeviationOfReturnsVolatilityModel(1),
                                  lambda: RelativeStandardDeviationVolatilityModel(DAY, 1)])  # fmt: skip
def test_volatility_of_one_value_is_refused(make):
    with pytest.raises(ValueError, match="2"):
        make()


def symbol(kind: SecurityType, market: str) -> Symbol:
    return Symbol(SecurityIdentifier("ABC", kind, market), "ABC")


def test_file_names_follow_type_and_resolution():
    moment = datetime(2013, 10, 7)
    equity, crypto = symbol(SecurityType.EQUITY, "usa"), symbol(SecurityType.CRYPTO, "coinbase")
    name = LeanData.generate_zip_file_name

    assert name(equity, moment, Resolution.DAILY, TickType.TRADE) == "abc.zip"
    assert name(equity, moment, Resolution.MINUTE, TickType.QUOTE) == "20131007_quote.zip"
    assert name(crypto, moment, Resolution.HOUR, TickType.TRADE) == "abc_trade.zip"


def test_an_equity_line_is_in_ten_thousandths():
    class Config:
        symbol = symbol(SecurityType.EQUITY, "usa")
        resolution = Resolution.MINUTE
        data_time_zone = exchange_time_zone = zone("America/New_York")

    bar = TradeBar.parse(Config, "34200000,1500000,1510000,1490000,1505000,77", datetime(2013, 10, 7))

    assert (bar.time, bar.period) == (datetime(2013, 10, 7, 9, 30), timedelta(minutes=1))
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (150, 151, 149, 150.5, 77)


def test_prices_of_a_line_keep_their_decimals_until_they_are_changed():
    """An order remembers the price that it was sent at as LEAN writes it: 32.5900."""

    class Config:
        symbol = symbol(SecurityType.EQUITY, "usa")
        resolution = Resolution.MINUTE
        data_time_zone = exchange_time_zone = zone("America/New_York")

    bar = TradeBar.parse_equity(Config, "34200000,325900,325900,325900,325900,1", datetime(2013, 6, 28))
    assert [str(bar.exact(name)) for name in ("close", "value", "open")] == ["32.5900"] * 3

    bar.close = 33.5
    assert str(bar.exact()) == "33.5"


def test_what_is_zipped_can_be_unzipped():
    assert Compression.unzip_data(Compression.zip_bytes(b"a,b", "data")) == {"data": "a,b"}
