"""Fee models of brokerages beyond the default ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from llm_plugin.engine.base.enums import OrderDirection, OrderType, SecurityType
from llm_plugin.engine.base.money import ZERO, to_decimal
from llm_plugin.engine.models import fee_rules
from llm_plugin.engine.models.fees import Fee, FeeModel
from llm_plugin.engine.orders.order import Order

__all__ = [
    "AlpacaFeeModel",
    "AlphaStreamsFeeModel",
    "AxosFeeModel",
    "BinanceFeeModel",
    "BitfinexFeeModel",
    "BybitFeeModel",
    "CharlesSchwabFeeModel",
    "ExanteFeeModel",
    "EzeFeeModel",
    "FTXFeeModel",
    "FTXUSFeeModel",
    "IndiaFeeModel",
    "KrakenFeeModel",
    "PublicFeeModel",
    "RBIFeeModel",
    "SamcoFeeModel",
    "TDAmeritradeFeeModel",
    "TastytradeFeeModel",
    "TradeStationFeeModel",
    "WebullFeeModel",
    "WolverineFeeModel",
    "ZerodhaFeeModel",
]

_KRAKEN_FIAT = ("CAD", "EUR", "GBP", "JPY", "USD", "USDT", "DAI", "USDC")


def _fee(amount: Decimal, currency: str = "USD") -> Fee:
    return amount, currency


def _is_maker(order: Order) -> bool:
    """A limit order that was posted to the book."""
    post_only = getattr(order.properties, "post_only", False) is True
    return order.type == OrderType.LIMIT and (post_only or not order.is_marketable)


def _unit_price(security: Any, order: Any) -> Decimal:
    """Price of one unit in the quote currency: the limit, or the side of the quote."""
    if order.type == OrderType.LIMIT:
        price = order._limit_price
    else:
        price = security.exact_ask if order.direction == OrderDirection.BUY else security.exact_bid
    return price * security.symbol_properties.exact_multiplier  # type: ignore[no-any-return]


class _ReceivedCurrencyFeeModel(FeeModel):
    """Maker and taker rates, taken in the currency that the account receives."""

    maker: ClassVar[str] = "0.001"
    taker: ClassVar[str] = "0.001"

    def __init__(self, m_fee: Any = None, t_fee: Any = None) -> None:
        self._maker = to_decimal(self.maker if m_fee is None else m_fee)
        self._taker = to_decimal(self.taker if t_fee is None else t_fee)

    def _rate(self, order: Order) -> Decimal:
        return self._maker if _is_maker(order) else self._taker

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return base currency for a buy, quote currency for a sale."""
        quantity, rate = abs(order.exact_quantity), self._rate(order)
        if order.direction == OrderDirection.BUY:
            return _fee(quantity * rate, security.base_currency.symbol)
        return _fee(_unit_price(security, order) * quantity * rate, security.quote_currency.symbol)


class BinanceFeeModel(_ReceivedCurrencyFeeModel):
    """Binance: first volume tier."""


class BybitFeeModel(_ReceivedCurrencyFeeModel):
    """Bybit: accounts without a tier."""


class BitfinexFeeModel(_ReceivedCurrencyFeeModel):
    """Bitfinex: a hidden order is a taker."""

    taker = "0.002"

    def __init__(self) -> None:
        super().__init__()

    def _rate(self, order: Order) -> Decimal:
        hidden = getattr(order.properties, "hidden", False) is True
        return self._maker if _is_maker(order) and not hidden else self._taker


class AlpacaFeeModel(_ReceivedCurrencyFeeModel):
    """Alpaca: rates on crypto, nothing for the rest."""

    maker, taker = "0.0015", "0.0025"

    def __init__(self) -> None:
        super().__init__()

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return the fee; sales of crypto are reckoned at the last price."""
        if security.type != SecurityType.CRYPTO:
            return _fee(ZERO)
        amount = abs(order.exact_quantity) * self._rate(order)
        if order.direction == OrderDirection.BUY:
            return _fee(amount, security.base_currency.symbol)
        return _fee(amount * security.exact_price, security.quote_currency.symbol)


class KrakenFeeModel(FeeModel):
    """Kraken: buys pay in quote, sales in base currency, unless the order's properties say otherwise."""

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return the fee of the first tier; pairs that start with a fiat or stable coin have a rate of their own."""
        rate = Decimal("0.0016" if _is_maker(order) else "0.0026")
        if security.symbol.value.startswith(_KRAKEN_FIAT):
            rate = Decimal("0.002")
        in_quote = order.direction == OrderDirection.BUY
        if in_quote and getattr(order.properties, "fee_in_base", False) is True:
            in_quote = False
        if not in_quote and getattr(order.properties, "fee_in_quote", False) is True:
            in_quote = True
        amount = abs(order.exact_quantity) * rate
        if in_quote:
            return _fee(_unit_price(security, order) * amount, security.quote_currency.symbol)
        return _fee(amount, security.base_currency.symbol)


class FTXFeeModel(FeeModel):
    """FTX: quote currency; posted buys pay in base currency."""

    maker_fee: ClassVar[str] = "0.0002"
    taker_fee: ClassVar[str] = "0.0007"

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return the fee of the first tier."""
        quantity, buys = abs(order.exact_quantity), order.direction == OrderDirection.BUY
        if _is_maker(order) and buys:
            return _fee(quantity * Decimal(self.maker_fee), security.base_currency.symbol)
        rate = Decimal(self.maker_fee if _is_maker(order) else self.taker_fee)
        price = security.exact_ask if buys else security.exact_bid
        unit = price * security.symbol_properties.exact_multiplier
        return _fee(unit * quantity * rate, security.quote_currency.symbol)


class FTXUSFeeModel(FTXFeeModel):
    """FTX.US."""

    maker_fee, taker_fee = "0.001", "0.004"


class AxosFeeModel(FeeModel):
    """Axos: per share."""

    def __init__(self, fees_per_share: Any = None) -> None:
        self._per_share = to_decimal("0.0035" if fees_per_share is None else fees_per_share)

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return USD."""
        return _fee(self._per_share * abs(order.exact_quantity))


class AlphaStreamsFeeModel(FeeModel):
    """Alpha Streams: Interactive Brokers' equity fees, 0.2 basis points of forex, rates on crypto."""

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return the fee by kind of instrument."""
        quantity = abs(order.exact_quantity)
        if security.type == SecurityType.EQUITY:
            return _fee(fee_rules.interactive_brokers_equity_fee(quantity, order.exact_order_value(security)))
        if security.type == SecurityType.FOREX:
            return _fee(Decimal("0.000002") * abs(order.exact_order_value(security)))
        if security.type == SecurityType.CRYPTO:
            hidden = getattr(order.properties, "hidden", False) is True
            rate = Decimal("0.001" if _is_maker(order) and not hidden else "0.002")
            return _fee(_unit_price(security, order) * quantity * rate, security.quote_currency.symbol)
        if security.type == SecurityType.CFD:
            return _fee(ZERO)
        raise ValueError(f"AlphaStreamsFeeModel knows no fee for {security.type}: {security.symbol}")


class IndiaFeeModel(FeeModel):
    """Brokerage, taxes and charges of Indian equities, in INR; the multipliers are those of the brokerage."""

    brokerage_multiplier: ClassVar[str] = "0"
    max_brokerage: ClassVar[str] = "0"
    rates: ClassVar[tuple[str, str, str, str, str]] = ("0", "0", "0", "0", "0")
    stamp_on_exact_value: ClassVar[bool] = False

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return INR."""
        value = order.exact_order_value(security)
        fee = fee_rules.india_equity_fee(
            value, self.brokerage_multiplier, self.max_brokerage, self.rates, self.stamp_on_exact_value
        )
        return _fee(fee, "INR")


class ZerodhaFeeModel(IndiaFeeModel):
    """Zerodha."""

    brokerage_multiplier, max_brokerage = "0.0003", "20"
    rates = ("0.00025", "0.0000345", "0.18", "0.000001", "0.00003")
    stamp_on_exact_value = True


class SamcoFeeModel(IndiaFeeModel):
    """Samco."""

    brokerage_multiplier, max_brokerage = "0.0002", "20"
    rates = ("0.00025", "0.0000345", "0.18", "0.000001", "0.00003")


class TradeStationFeeModel(FeeModel):
    """TradeStation: free for residents of the USA, else 5 USD a trade."""

    def __init__(self, us_resident: bool = True) -> None:
        self.us_resident = us_resident

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return USD."""
        return _fee(ZERO if self.us_resident else Decimal("5.0"))


class ExanteFeeModel(FeeModel):
    """Exante: per share, or a rate on forex."""

    def __init__(self, forex_commission_rate: Any = "0.25") -> None:
        self._forex = to_decimal(forex_commission_rate)

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return USD."""
        if security.type == SecurityType.FOREX:
            return _fee(abs(self._forex * order.exact_order_value(security)))
        if security.type == SecurityType.EQUITY:
            unit = Decimal(1) if order.symbol.id.market == "usa" else order.exact_price
            return _fee(abs(order.exact_quantity) * unit * Decimal("0.02"))
        raise ValueError(f"ExanteFeeModel knows no fee for {security.type}: {security.symbol}")


class PublicFeeModel(FeeModel):
    """Public.com: equities are free in regular hours; crypto by size."""

    _steps = (("10", "0.49"), ("25", "0.69"), ("50", "1.19"), ("100", "1.69"), ("250", "3.29"), ("500", "6.29"))

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return USD."""
        if security.type == SecurityType.EQUITY:
            hours = security.exchange.hours
            return _fee(ZERO if hours.is_open_us(hours.time_zone.local(order.time_us)) else Decimal("2.99"))
        if security.type != SecurityType.CRYPTO:
            return _fee(ZERO)
        amount = security.exact_price * security.symbol_properties.exact_multiplier * abs(order.exact_quantity)
        found = next((fee for top, fee in self._steps if amount <= Decimal(top)), None)
        return _fee(Decimal(found) if found is not None else amount * Decimal("0.0125"))


class CharlesSchwabFeeModel(FeeModel):
    """Charles Schwab: equities are free."""


class EzeFeeModel(FeeModel):
    """Eze: no fees."""


class TastytradeFeeModel(FeeModel):
    """Tastytrade: equities are free."""


class WebullFeeModel(FeeModel):
    """Webull: equities are free."""


class TDAmeritradeFeeModel(FeeModel):
    """TD Ameritrade: equities are free."""


class RBIFeeModel(FeeModel):
    """RBI: LEAN charges nothing, since its per-share fee does not override the base model."""


class WolverineFeeModel(FeeModel):
    """Wolverine: LEAN charges nothing, since its per-share fee does not override the base model."""
