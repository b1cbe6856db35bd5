"""Brokerage models: default market, leverage, models of a security, which orders are accepted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any, ClassVar

from llm_plugin.engine.base.enums import AccountType, BrokerageMessageType, BrokerageName, OrderType, SecurityType
from llm_plugin.engine.base.money import CONTEXT, to_decimal
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.brokerages.checks import below_minimum, in_force, open_window, traded_type
from llm_plugin.engine.market.symbols import Market
from llm_plugin.engine.models.buying_power import SecurityMarginModel
from llm_plugin.engine.models.cash_buying_power import CashBuyingPowerModel
from llm_plugin.engine.models.equity_fills import EquityFillModel
from llm_plugin.engine.models.fees import CoinbaseFeeModel, ConstantFeeModel, FxcmFeeModel, InteractiveBrokersFeeModel
from llm_plugin.engine.models.fills import ImmediateFillModel
from llm_plugin.engine.models.settlement import DelayedSettlementModel, ImmediateSettlementModel
from llm_plugin.engine.models.slippage import NullSlippageModel
from llm_plugin.engine.orders.order import Order
from llm_plugin.engine.orders.tickets import UpdateOrderFields
from llm_plugin.errors import UnsupportedLeanApi

__all__ = [
    "BrokerageMessageEvent",
    "CoinbaseBrokerageModel",
    "DefaultBrokerageModel",
    "FxcmBrokerageModel",
    "GDAXBrokerageModel",
    "InteractiveBrokersBrokerageModel",
    "OandaBrokerageModel",
    "brokerage_model",
]

Verdict = tuple[bool, str]
_COINBASE_STOPS_END = datetime(2019, 3, 23, 1, tzinfo=UTC)
_IB_FOREX_LIMITS = {
    "USD": (25_000, 7_000_000), "AUD": (25_000, 6_000_000), "CAD": (25_000, 6_000_000), "CHF": (25_000, 6_000_000),
    "CNH": (150_000, 40_000_000), "CZK": (0, 0), "DKK": (150_000, 35_000_000), "EUR": (20_000, 6_000_000),
    "GBP": (20_000, 5_000_000), "HKD": (200_000, 50_000_000), "HUF": (0, 0), "ILS": (0, 0), "KRW": (0, 200_000_000),
    "JPY": (2_500_000, 550_000_000), "MXN": (300_000, 70_000_000), "NOK": (150_000, 35_000_000),
    "NZD": (35_000, 8_000_000), "RUB": (750_000, 30_000_000), "SEK": (175_000, 40_000_000),
    "SGD": (35_000, 8_000_000), "PLN": (0, 0), "ZAR": (350_000, 100_000_000),
}  # fmt: skip


class BrokerageMessageEvent(LeanObject):
    """What a brokerage has to say."""

    def __init__(self, type: BrokerageMessageType, code: str, message: str) -> None:
        self.type, self.code, self.message = type, code, message

    def __str__(self) -> str:
        return f"{self.type} - Code: {self.code} - {self.message}"


class DefaultBrokerageModel(LeanObject):
    """LEAN's default: everything is allowed."""

    account_type = AccountType.MARGIN  # of users' classes whose __init__ calls nothing
    default_benchmark: ClassVar[tuple[SecurityType, str, str] | None] = (SecurityType.EQUITY, "SPY", Market.USA)
    trading_days: ClassVar[int] = 252
    order_types: ClassVar[frozenset[OrderType] | None] = None
    security_types: ClassVar[frozenset[SecurityType] | None] = None
    _markets: ClassVar[dict[SecurityType, str]] = {
        SecurityType.BASE: Market.USA,
        SecurityType.EQUITY: Market.USA,
        SecurityType.INDEX: Market.USA,
        SecurityType.FOREX: Market.OANDA,
        SecurityType.CFD: Market.OANDA,
        SecurityType.CRYPTO: Market.COINBASE,
        SecurityType.CRYPTO_FUTURE: Market.BINANCE,
    }

    def __init__(self, account_type: AccountType = AccountType.MARGIN) -> None:
        self.account_type = AccountType(account_type)

    @property
    def default_markets(self) -> dict[SecurityType, str]:
        """Default market by type."""
        return self._markets

    @property
    def required_free_buying_power_percent(self) -> float:
        """Part of the portfolio that stays free."""
        return 0.0

    def get_benchmark(self, securities: Any) -> Any:
        """None: `default_benchmark`; a class of the user's may return a benchmark."""

    # Models of a security.
    def get_leverage(self, security: Any) -> float:
        """Return the leverage of a margin account."""
        if self.account_type == AccountType.CASH or security.is_internal:
            return 1.0
        return {
            SecurityType.EQUITY: 2.0,
            SecurityType.FOREX: 50.0,
            SecurityType.CFD: 50.0,
            SecurityType.CRYPTO_FUTURE: 25.0,
        }.get(security.type, 1.0)

    def get_fee_model(self, security: Any) -> Any:
        """Interactive Brokers' fees for equities, none otherwise."""
        if security.type == SecurityType.EQUITY:
            return InteractiveBrokersFeeModel()
        return ConstantFeeModel(0)

    def get_fill_model(self, security: Any) -> Any:
        """Equity model for equities, the base model otherwise."""
        return EquityFillModel() if security.type == SecurityType.EQUITY else ImmediateFillModel()

    def get_slippage_model(self, security: Any) -> Any:
        """None."""
        return NullSlippageModel()

    def get_settlement_model(self, security: Any) -> Any:
        """Cash accounts wait a day for the proceeds of equities."""
        if security.type == SecurityType.EQUITY and self.account_type == AccountType.CASH:
            return DelayedSettlementModel()
        return ImmediateSettlementModel()

    def get_buying_power_model(self, security: Any) -> Any:
        """Cash model for forex and crypto in cash accounts, margin otherwise."""
        if self.account_type == AccountType.CASH and security.type in (SecurityType.FOREX, SecurityType.CRYPTO):
            return CashBuyingPowerModel()
        return SecurityMarginModel(self.get_leverage(security))

    def get_shortable_provider(self, security: Any) -> Any:
        """None: everything can be sold short."""
        return None

    def get_margin_interest_rate_model(self, security: Any) -> Any:
        """None: borrowed money costs nothing."""
        return None

    # Acceptance of orders.
    def refusal(self, security: Any, order: Order) -> str:
        """Return why an order is refused, or an empty text."""
        return traded_type(type(self).__name__, security, order, self.security_types, self.order_types)

    def can_submit_order(self, security: Any, order: Order, *unused: Any) -> Any:
        """Return (accepted, reason); user models may return a plain bool."""
        reason = self.refusal(security, order)
        return not reason, reason

    def can_update_order(self, security: Any, order: Order, request: Any, *unused: Any) -> Any:
        """Return (accepted, reason)."""
        return True, ""

    def can_execute_order(self, security: Any, order: Order) -> bool:
        """Return True."""
        return True

    def check_submit(self, security: Any, order: Order) -> Verdict:
        """Ask `can_submit_order`, which may be the user's."""
        return _verdict(self.can_submit_order(security, order, None))

    def check_update(self, security: Any, order: Order, request: Any) -> Verdict:
        """Ask `can_update_order`, which may be the user's."""
        return _verdict(self.can_update_order(security, order, request, None))

    def apply_split(self, tickets: list[Any], split: Any) -> None:
        """Ask for open orders of raw prices to be adapted: whole units, prices times the factor."""
        for ticket in tickets:
            ticket.update(split_fields(ticket, split.exact_factor))


class InteractiveBrokersBrokerageModel(DefaultBrokerageModel):
    """Interactive Brokers."""

    default_benchmark = None
    order_types: ClassVar[frozenset[OrderType] | None] = frozenset(OrderType)
    security_types = frozenset({SecurityType.EQUITY, SecurityType.FOREX, SecurityType.CFD, SecurityType.INDEX})
    times_in_force: ClassVar[tuple[str, ...]] = ("GoodTilCanceled", "Day", "GoodTilDate")
    _markets: ClassVar[dict[SecurityType, str]] = {
        SecurityType.BASE: Market.USA,
        SecurityType.EQUITY: Market.USA,
        SecurityType.INDEX: Market.USA,
        SecurityType.FOREX: Market.OANDA,
        SecurityType.CFD: Market.INTERACTIVE_BROKERS,
    }

    def get_leverage(self, security: Any) -> float:
        """CFDs have 10."""
        if self.account_type == AccountType.MARGIN and security.type == SecurityType.CFD:
            return 10.0
        return super().get_leverage(security)

    def get_fee_model(self, security: Any) -> Any:
        """Interactive Brokers' fees."""
        return InteractiveBrokersFeeModel()

    def refusal(self, security: Any, order: Order) -> str:
        """Also check the sizes of forex orders, market-on-open and market-on-close."""
        closes = (SecurityType.EQUITY, SecurityType.CFD)
        if order.type == OrderType.MARKET_ON_CLOSE and security.type not in closes:
            return f"MarketOnClose orders are for equities and CFDs, not {security.type}"
        reason = open_window(security, order, closes, None, timedelta(minutes=2)) or super().refusal(security, order)
        if not reason and security.type == SecurityType.FOREX:
            reason = self._forex_size(security, order.exact_quantity)
        return reason or in_force("Interactive Brokers", order, self.times_in_force)

    def can_update_order(self, security: Any, order: Order, request: Any, *unused: Any) -> Any:
        """Check the new size of a forex order."""
        reason = ""
        if security.type == SecurityType.FOREX and request.quantity is not None:
            reason = self._forex_size(security, to_decimal(request.quantity))
        return not reason, reason

    @staticmethod
    def _forex_size(security: Any, quantity: Decimal) -> str:
        currency = security.base_currency.symbol
        low, high = _IB_FOREX_LIMITS.get(currency, (0, 0))
        size = abs(quantity)
        if size > high or size < low or size == 0:
            return f"the quantity {size} is outside of {low}..{high} {currency}"
        return ""

    def can_execute_order(self, security: Any, order: Order) -> bool:
        """Everything but custom data."""
        return bool(security.type != SecurityType.BASE)


class OandaBrokerageModel(DefaultBrokerageModel):
    """Oanda: forex and CFDs on margin, good-til-canceled orders, no fees."""

    default_benchmark = (SecurityType.FOREX, "EURUSD", Market.OANDA)
    order_types = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.STOP_LIMIT})
    security_types = frozenset({SecurityType.FOREX, SecurityType.CFD})

    def __init__(self, account_type: AccountType = AccountType.MARGIN) -> None:
        if AccountType(account_type) == AccountType.CASH:
            raise ValueError("Oanda has no cash accounts; use AccountType.MARGIN")
        super().__init__(account_type)

    def get_fee_model(self, security: Any) -> Any:
        """None: the spread is the cost."""
        return ConstantFeeModel(0)

    def refusal(self, security: Any, order: Order) -> str:
        """Also refuse any other time in force."""
        return super().refusal(security, order) or in_force("Oanda", order, ("GoodTilCanceled",))


class FxcmBrokerageModel(DefaultBrokerageModel):
    """FXCM: forex and CFDs, in lots of 1000."""

    default_benchmark = (SecurityType.FOREX, "EURUSD", Market.FXCM)
    order_types = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_MARKET})
    security_types = frozenset({SecurityType.FOREX, SecurityType.CFD})
    _markets: ClassVar[dict[SecurityType, str]] = {
        **DefaultBrokerageModel._markets,
        SecurityType.FOREX: Market.FXCM,
        SecurityType.CFD: Market.FXCM,
    }

    def get_fee_model(self, security: Any) -> Any:
        """Per 1000 units."""
        return FxcmFeeModel(security.cash_book.account_currency)

    def refusal(self, security: Any, order: Order) -> str:
        """Also check lots and that stops and limits are on their side of the market."""
        reason = super().refusal(security, order) or in_force("FXCM", order, ("GoodTilCanceled",))
        if reason:
            return reason
        if order.exact_quantity % security.symbol_properties.exact_lot:
            return f"the quantity {order.exact_quantity} is no multiple of the lot"
        buys = order.exact_quantity > 0
        limit, stop = getattr(order, "_limit_price", None), getattr(order, "_stop_price", None)
        price = security.exact_price
        if limit is not None and (limit > price if buys else limit < price):
            return f"the limit {limit} is on the wrong side of the price {price}"
        if stop is not None and (stop < price if buys else stop > price):
            return f"the stop {stop} is on the wrong side of the price {price}"
        return ""


class CoinbaseBrokerageModel(DefaultBrokerageModel):
    """Coinbase (formerly GDAX): crypto in cash accounts."""

    account_type = AccountType.CASH
    default_benchmark = (SecurityType.CRYPTO, "BTCUSD", Market.COINBASE)
    trading_days = 365
    order_types = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.STOP_MARKET})
    security_types = frozenset({SecurityType.CRYPTO})

    def __init__(self, account_type: AccountType = AccountType.CASH) -> None:
        if AccountType(account_type) == AccountType.MARGIN:
            raise ValueError("Coinbase has no margin accounts; use AccountType.CASH")
        super().__init__(account_type)

    def get_leverage(self, security: Any) -> float:
        """None."""
        return 1.0

    def get_fee_model(self, security: Any) -> Any:
        """Maker and taker rates."""
        return CoinbaseFeeModel()

    def get_buying_power_model(self, security: Any) -> Any:
        """What is paid for must be there."""
        return CashBuyingPowerModel()

    def refusal(self, security: Any, order: Order) -> str:
        """Also refuse small orders, and stop-market orders since March 2019."""
        reason = below_minimum(security, order.exact_quantity) or super().refusal(security, order)
        sent = order.time.replace(tzinfo=UTC)
        if not reason and order.type == OrderType.STOP_MARKET and sent >= _COINBASE_STOPS_END:
            return f"Coinbase takes no StopMarket orders since {_COINBASE_STOPS_END:%Y-%m-%d}; use StopLimit"
        return reason

    def can_update_order(self, security: Any, order: Order, request: Any, *unused: Any) -> Any:
        """Only good-til-canceled limit orders can be changed."""
        if order.type != OrderType.LIMIT or order.time_in_force.kind != "GoodTilCanceled":
            return False, "Coinbase changes GoodTilCanceled limit orders only; cancel and send a new one"
        reason = "" if request.quantity is None else below_minimum(security, to_decimal(request.quantity))
        return not reason, reason


GDAXBrokerageModel = CoinbaseBrokerageModel

# Models of this module, or module and class of others.
_MODELS: dict[BrokerageName, Any] = {
    BrokerageName.DEFAULT: DefaultBrokerageModel,
    BrokerageName.INTERACTIVE_BROKERS_BROKERAGE: InteractiveBrokersBrokerageModel,
    BrokerageName.OANDA_BROKERAGE: OandaBrokerageModel,
    BrokerageName.FXCM_BROKERAGE: FxcmBrokerageModel,
    BrokerageName.GDAX: CoinbaseBrokerageModel,
    BrokerageName.COINBASE: CoinbaseBrokerageModel,
    BrokerageName.BINANCE: "crypto.BinanceBrokerageModel",
    BrokerageName.BINANCE_US: "crypto.BinanceUSBrokerageModel",
    BrokerageName.BITFINEX: "crypto.BitfinexBrokerageModel",
    BrokerageName.BYBIT: "crypto.BybitBrokerageModel",
    BrokerageName.FTX: "crypto.FTXBrokerageModel",
    BrokerageName.FTXUS: "crypto.FTXUSBrokerageModel",
    BrokerageName.KRAKEN: "crypto.KrakenBrokerageModel",
    BrokerageName.ALPACA: "routed.AlpacaBrokerageModel",
    BrokerageName.ALPHA_STREAMS: "equity.AlphaStreamsBrokerageModel",
    BrokerageName.AXOS: "equity.AxosClearingBrokerageModel",
    BrokerageName.BLOOMBERG_FIX: "routed.BloombergFixBrokerageModel",
    BrokerageName.CHARLES_SCHWAB: "routed.CharlesSchwabBrokerageModel",
    BrokerageName.EXANTE: "routed.ExanteBrokerageModel",
    BrokerageName.EZE: "routed.EzeBrokerageModel",
    BrokerageName.INTERACTIVE_BROKERS_FIX: "routed.InteractiveBrokersFixModel",
    BrokerageName.PUBLIC: "routed.PublicBrokerageModel",
    BrokerageName.RBI: "equity.RBIBrokerageModel",
    BrokerageName.SAMCO: "equity.SamcoBrokerageModel",
    BrokerageName.TASTYTRADE: "routed.TastytradeBrokerageModel",
    BrokerageName.TD_AMERITRADE: "equity.TDAmeritradeBrokerageModel",
    BrokerageName.TERMINAL_LINK: "routed.TerminalLinkBrokerageModel",
    BrokerageName.TRADE_STATION: "routed.TradeStationBrokerageModel",
    BrokerageName.TRADIER_BROKERAGE: "equity.TradierBrokerageModel",
    BrokerageName.WEBULL: "routed.WebullBrokerageModel",
    BrokerageName.WOLVERINE: "equity.WolverineBrokerageModel",
    BrokerageName.ZERODHA: "equity.ZerodhaBrokerageModel",
}


def brokerage_model(name: BrokerageName, account_type: AccountType | None = None) -> DefaultBrokerageModel:
    """Return the model of a brokerage.

    Raises:
        UnsupportedLeanApi: The engine does not model it.
    """
    found = _MODELS.get(BrokerageName(name))
    if found is None:
        raise UnsupportedLeanApi(f"BrokerageName.{BrokerageName(name)}", f"supported: {', '.join(map(str, _MODELS))}")
    if isinstance(found, str):
        module, _, kind = found.partition(".")
        found = getattr(import_module(f"llm_plugin.engine.brokerages.{module}"), kind)
    if account_type is None:
        account_type = AccountType.CASH if found is CoinbaseBrokerageModel else AccountType.MARGIN
    model: DefaultBrokerageModel = found(account_type)
    return model


def split_fields(ticket: Any, factor: Decimal) -> UpdateOrderFields:
    """Return the update that adapts an open order to a split."""
    order, fields = ticket._order, UpdateOrderFields()
    fields.quantity = Decimal(int(CONTEXT.divide(order.exact_quantity, factor)))
    for name in ("limit_price", "stop_price", "trigger_price", "trailing_amount"):
        value = getattr(order, f"_{name}", None)
        if value is not None and not (name == "trailing_amount" and order.trailing_as_percentage):
            setattr(fields, name, value * factor)
    return fields


def model_from(target: Any, name: str, security: Any, default: Any) -> Any:
    """Ask a (maybe user-written) brokerage model for one of a security's models."""
    function = find_member(target, name)
    return function(security) if function is not None else default


def _verdict(answer: Any) -> Verdict:
    if isinstance(answer, tuple):
        return bool(answer[0]), str(answer[1] or "")
    return bool(answer), "" if answer else "the brokerage model refused the order"
