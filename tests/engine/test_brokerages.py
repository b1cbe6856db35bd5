"""Brokerages: fees by hand, what is refused, default markets and leverage."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

from llm_plugin.engine.base.enums import AccountType, BrokerageName, SecurityType
from llm_plugin.engine.brokerages import crypto, equity, fees
from llm_plugin.engine.brokerages.models import _MODELS, brokerage_model
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.engine.models.fee_rules import india_equity_fee, interactive_brokers_india_fee
from llm_plugin.engine.models.fees import OrderFeeParameters
from llm_plugin.engine.orders.order import LimitOrder, MarketOrder, OrderProperties, StopLimitOrder, TimeInForce
from llm_plugin.engine.orders.properties import (
    BinanceOrderProperties,
    BitfinexOrderProperties,
    IndiaOrderProperties,
    KrakenOrderProperties,
    TradierOrderProperties,
)
from llm_plugin.errors import UnsupportedLeanApi

NOW = datetime(2024, 1, 2, 15)


def _pair(ticker: str = "BTCUSDT", market: str = "binance", minimum: str | None = None, quantity: str = "0"):
    symbol = Symbol(SecurityIdentifier(ticker, SecurityType.CRYPTO, market), ticker)
    return SimpleNamespace(
        symbol=symbol,
        type=SecurityType.CRYPTO,
        exact_bid=Decimal(99),
        exact_ask=Decimal(101),
        exact_price=Decimal(100),
        has_data=True,
        is_internal=False,
        base_currency=SimpleNamespace(symbol=ticker[:3]),
        quote_currency=SimpleNamespace(symbol=ticker[3:], exact_rate=Decimal(1)),
        symbol_properties=SimpleNamespace(
            exact_multiplier=Decimal(1), exact_minimum_order=None if minimum is None else Decimal(minimum)
        ),
        holdings=SimpleNamespace(exact_quantity=Decimal(quantity)),
    )


def _stock(quantity: str = "0", price: str = "10", market: str = "usa"):
    stock = _pair("AAA", market, quantity=quantity)
    stock.type = SecurityType.EQUITY
    stock.symbol = Symbol(SecurityIdentifier("AAA", SecurityType.EQUITY, market), "AAA")
    stock.exact_price = Decimal(price)
    stock.exchange = SimpleNamespace(exchange_open=True)
    return stock


def _market(security, quantity, properties=None) -> MarketOrder:
    return MarketOrder(security.symbol, quantity, NOW, properties=properties)


def _fee(model, security, order) -> tuple[Decimal, str]:
    amount = model.get_order_fee(OrderFeeParameters(security, order)).value
    return amount.exact_amount, amount.currency


@pytest.mark.parametrize(
    ("model", "quantity", "expected"),
    [
        # A buy pays in what it receives: 2 x 0.1 %; a sale in the quote currency: 2 x bid 99 x 0.1 %.
        (fees.BinanceFeeModel(), 2, ("0.002", "BTC")),
        (fees.BinanceFeeModel(), -2, ("0.198", "USDT")),
        (fees.BybitFeeModel(), 2, ("0.002", "BTC")),
        (fees.BitfinexFeeModel(), -2, ("0.396", "USDT")),
        (fees.AlpacaFeeModel(), -2, ("0.5", "USDT")),
        # Kraken the other way round: a buy 2 x ask 101 x 0.26 % in the quote currency.
        (fees.KrakenFeeModel(), 2, ("0.5252", "USDT")),
        (fees.KrakenFeeModel(), -2, ("0.0052", "BTC")),
        (fees.FTXFeeModel(), 2, ("0.1414", "USDT")),
        (fees.FTXUSFeeModel(), -2, ("0.792", "USDT")),
        (fees.AlphaStreamsFeeModel(), 2, ("0.404", "USDT")),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "get_order_fee") else str(value),
)
def test_crypto_fee_by_hand(model, quantity, expected):
    security = _pair()

    assert _fee(model, security, _market(security, quantity)) == (Decimal(expected[0]), expected[1])


def test_posted_limit_pays_the_maker_rate_and_a_hidden_one_the_taker_rate():
    security = _pair()
    properties = BitfinexOrderProperties()
    properties.PostOnly = True
    order = LimitOrder(security.symbol, -1, 200, NOW, properties=properties)
    assert _fee(fees.BitfinexFeeModel(), security, order) == (Decimal("0.200"), "USDT")

    order.properties.hidden = True
    assert _fee(fees.BitfinexFeeModel(), security, order) == (Decimal("0.400"), "USDT")


def test_kraken_takes_the_fee_in_the_currency_that_the_properties_name():
    security, properties = _pair(), KrakenOrderProperties()
    properties.fee_in_quote = True
    properties.fee_in_base = True

    assert (properties.fee_in_base, properties.fee_in_quote) == (True, False)
    assert _fee(fees.KrakenFeeModel(), security, _market(security, 2, properties)) == (Decimal("0.0052"), "BTC")


def test_axos_and_alpha_streams_equity_fees_by_hand():
    stock = _stock()
    assert _fee(fees.AxosFeeModel(), stock, _market(stock, -100)) == (Decimal("0.3500"), "USD")
    # 1000 x 0.005 = 5 USD, below 0.5 % of 10,000.
    assert _fee(fees.AlphaStreamsFeeModel(), stock, _market(stock, 1000)) == (Decimal("5.000"), "USD")


def test_india_charges_by_hand():
    # Buy of 10,000: brokerage 3.00, charge 0.34 (0.345 to even), tax 18 % of 3.34 = 0.60, SEBI 0.01, stamp 0.30.
    rates = ("0.00025", "0.0000345", "0.18", "0.000001", "0.00003")
    assert india_equity_fee(Decimal(10_000), "0.0003", "20", rates, True) == Decimal("4.25")
    # Sale of 10,000: no stamp, transaction tax 2.50.
    assert india_equity_fee(Decimal(-10_000), "0.0003", "20", rates, True) == Decimal("6.45")
    # Brokerage is capped at 20: 20 + 34.50 + 18 % of 54.50 = 9.81, SEBI 1.00, stamp 30.00.
    assert india_equity_fee(Decimal(1_000_000), "0.0003", "20", rates) == Decimal("95.31")
    stock = _stock(market="india")
    assert _fee(fees.ZerodhaFeeModel(), stock, _market(stock, 1000))[1] == "INR"
    assert interactive_brokers_india_fee(Decimal(1), Decimal(300)) == 6
    assert interactive_brokers_india_fee(Decimal(1000), Decimal(300_000)) == 10


def test_binance_checks_the_value_at_every_price_of_an_order():
    model, security = crypto.BinanceBrokerageModel(), _pair(minimum="10")
    assert model.check_submit(security, _market(security, "0.2")) == (True, "")
    allowed, reason = model.check_submit(security, _market(security, "0.05"))
    assert not allowed
    assert "minimum 10" in reason
    cheap_stop = StopLimitOrder(security.symbol, "0.2", 40, 100, NOW)
    assert not model.check_submit(security, cheap_stop)[0]
    assert not model.check_update(security, cheap_stop, None)[0]


def test_tradier_refuses_what_lean_says(monkeypatch):
    model = equity.TradierBrokerageModel()
    day = OrderProperties()
    day.time_in_force = TimeInForce.DAY
    long = _stock(quantity="10")

    assert model.check_submit(long, _market(long, -10)) == (True, "")
    assert "Day orders" in model.check_submit(long, _market(long, -11))[1]
    assert model.check_submit(long, _market(long, -11, day)) == (True, "")
    cheap = _stock(price="4.99")
    assert "at least 5" in model.check_submit(cheap, _market(cheap, -1, day))[1]
    assert "outside of 1..10000000" in model.check_submit(long, _market(long, 10_000_001))[1]
    assert not model.check_update(long, _market(long, 5), SimpleNamespace(quantity=6))[0]


def test_axos_takes_whole_shares_only_and_asks_its_list_for_short_sales():
    model, stock = equity.AxosClearingBrokerageModel(), _stock()
    assert "not whole" in model.check_submit(stock, _market(stock, "1.5"))[1]
    assert model.get_shortable_provider(stock) is not None
    assert model.default_benchmark is None


@pytest.mark.parametrize(
    ("name", "account", "leverage", "market"),
    [
        (BrokerageName.BINANCE, AccountType.MARGIN, 3.0, "binance"),
        (BrokerageName.BINANCE, AccountType.CASH, 1.0, "binance"),
        (BrokerageName.BYBIT, AccountType.MARGIN, 10.0, "bybit"),
        (BrokerageName.BITFINEX, AccountType.MARGIN, 3.3, "bitfinex"),
        (BrokerageName.FTX, AccountType.MARGIN, 3.0, "ftx"),
        (BrokerageName.ALPHA_STREAMS, AccountType.MARGIN, 1.0, "coinbase"),
    ],
)
def test_leverage_and_market_of_crypto(name, account, leverage, market):
    model = brokerage_model(name, account)

    assert model.get_leverage(_pair()) == leverage
    assert model.default_markets[SecurityType.CRYPTO] == market


def test_kraken_leverage_depends_on_both_currencies():
    model = crypto.KrakenBrokerageModel(AccountType.MARGIN)
    assert model.get_leverage(_pair("BTCUSD", "kraken")) == 5.0
    assert model.get_leverage(_pair("ADAETH", "kraken")) == 3.0
    assert model.get_leverage(_pair("XMRBTC", "kraken")) == 2.0
    assert model.get_leverage(_pair("XMRETH", "kraken")) == 1.0


def test_every_brokerage_of_the_table_can_be_made_and_the_rest_is_refused_by_name():
    assert len(_MODELS) > 25
    for name in _MODELS:
        cash_only = name in (BrokerageName.GDAX, BrokerageName.COINBASE, BrokerageName.BINANCE_US)
        assert brokerage_model(name, AccountType.CASH if cash_only else AccountType.MARGIN).default_markets
    with pytest.raises(UnsupportedLeanApi, match=r"BrokerageName\.BinanceCoinFutures"):
        brokerage_model(BrokerageName.BINANCE_COIN_FUTURES)
    with pytest.raises(ValueError, match="no cash accounts"):
        brokerage_model(BrokerageName.ALPHA_STREAMS, AccountType.CASH)


def test_order_properties_know_their_options_in_both_spellings_and_refuse_others():
    properties = BinanceOrderProperties()
    properties.PostOnly = True
    assert properties.post_only
    assert properties.clone().post_only
    with pytest.raises(UnsupportedLeanApi, match=r"BinanceOrderProperties\.hidden"):
        properties.hidden = True
    with pytest.raises(UnsupportedLeanApi, match=r"OrderProperties\.post_only"):
        OrderProperties().post_only = True
    assert not TradierOrderProperties().outside_regular_trading_hours
    product = IndiaOrderProperties.IndiaProductType.CNC
    assert IndiaOrderProperties(None, product).json_fields() == {"product_type": "CNC"}


def test_alpaca_takes_market_on_open_orders_between_its_hours():
    from llm_plugin.engine.brokerages.checks import open_window

    stock = _stock()
    hours = SimpleNamespace(segments=lambda ordinal: [(9 * HOUR + 30 * MINUTE, 16 * HOUR, True)])
    order = SimpleNamespace(type=4)

    def reason(clock: int) -> str:
        from datetime import time, timedelta

        stock.exchange = SimpleNamespace(hours=hours, local_us=clock)
        return open_window(stock, order, [SecurityType.EQUITY], time(19, 0), timedelta(minutes=2))

    assert reason(19 * HOUR) == ""
    assert reason(9 * HOUR + 27 * MINUTE) == ""
    assert "between 19:00 and 09:28" in reason(9 * HOUR + 28 * MINUTE)
    assert "between 19:00 and 09:28" in reason(18 * HOUR)


MINUTE = 60_000_000
HOUR = 60 * MINUTE
