"""Brokerage models: default market, leverage, models of a security, which orders are accepted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from llm_plugin.engine.buying_power import SecurityMarginModel
from llm_plugin.engine.cash_buying_power import CashBuyingPowerModel
from llm_plugin.engine.enums import AccountType, BrokerageMessageType, BrokerageName, OrderType, SecurityType
from llm_plugin.engine.equity_fills import EquityFillModel
from llm_plugin.engine.fees import CoinbaseFeeModel, ConstantFeeModel, FxcmFeeModel, InteractiveBrokersFeeModel
from llm_plugin.engine.fills import ImmediateFillModel
from llm_plugin.engine.names import LeanObject, find_member
from llm_plugin.engine.orders import Order
from llm_plugin.engine.settlement import DelayedSettlementModel, ImmediateSettlementModel
from llm_plugin.engine.slippage import NullSlippageModel
from llm_plugin.engine.symbols import Market
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
    "GBP": (20_000, 5_000_000), "HKD": (200_000, 50_000_000), "HUF": (0, 0), "ILS": (0, 0), "KRW": (0, 750_000_000),
    "JPY": (2_500_000, 550_000_000), "MXN": (300_000, 70_000_000), "NOK": (150_000, 35_000_000),
    "NZD": (35_000, 8_000_000), "RUB": (750_000, 30_000_000), "SEK": (175_000, 40_000_000),
    "SGD": (35_000, 8_000_000),
}  # fmt: skip


class BrokerageMessageEvent(LeanObject):
    """What a brokerage has to say."""

    def __init__(self, type: BrokerageMessageType, code: str, message: str) -> None:
        self.type, self.code, self.message = type, code, message

    def __str__(self) -> str:
        return f"{self.type} - Code: {self.code} - {self.message}"


class DefaultBrokerageModel(LeanObject):
    """LEAN's default: everything is allowed."""

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
        pair = security.type in (SecurityType.FOREX, SecurityType.CRYPTO)
        if self.account_type == AccountType.CASH and pair:
            return CashBuyingPowerModel()
        return SecurityMarginModel(self.get_leverage(security))

    # Acceptance of orders.
    def can_submit_order(self, security: Any, order: Order, *unused: Any) -> Any:
        """Return (accepted, reason); user models may return a plain bool."""
        minimum = security.symbol_properties.exact_minimum_order
        if security.type == SecurityType.CRYPTO and minimum is not None and abs(order.exact_quantity) < minimum:
            return False, f"the quantity {order.exact_quantity} is below the minimum {minimum}"
        if self.security_types is not None and security.type not in self.security_types:
            return False, f"{type(self).__name__} does not trade {security.type}"
        if self.order_types is not None and order.type not in self.order_types:
            known = ", ".join(str(kind) for kind in sorted(self.order_types))
            return False, f"{type(self).__name__} does not take {order.type} orders; it takes {known}"
        return True, ""

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

    def apply_split(self, tickets: Any, split: Any) -> None:
        """Open orders are adapted by the transaction manager."""


class InteractiveBrokersBrokerageModel(DefaultBrokerageModel):
    """Interactive Brokers."""

    default_benchmark = None
    order_types = frozenset(set(OrderType) - {OrderType.COMBO_LIMIT})
    security_types = frozenset({SecurityType.EQUITY, SecurityType.FOREX, SecurityType.CFD, SecurityType.INDEX})

    def get_leverage(self, security: Any) -> float:
        """CFDs have 10."""
        if self.account_type == AccountType.MARGIN and security.type == SecurityType.CFD:
            return 10.0
        return super().get_leverage(security)

    def get_fee_model(self, security: Any) -> Any:
        """Interactive Brokers' fees."""
        return InteractiveBrokersFeeModel()

    def can_submit_order(self, security: Any, order: Order, *unused: Any) -> Any:
        """Also check the sizes of forex orders and market-on-close."""
        allowed, reason = super().can_submit_order(security, order)
        if not allowed:
            return allowed, reason
        if order.type == OrderType.MARKET_ON_CLOSE and security.type not in (SecurityType.EQUITY, SecurityType.CFD):
            return False, f"MarketOnClose orders are for equities and CFDs, not {security.type}"
        if security.type == SecurityType.FOREX:
            low, high = _IB_FOREX_LIMITS.get(security.base_currency.symbol, (0, 0))
            quantity = abs(order.exact_quantity)
            if quantity < low or (high and quantity > high):
                return False, f"the quantity {quantity} is outside of {low}..{high} {security.base_currency.symbol}"
        return True, ""


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

    def can_submit_order(self, security: Any, order: Order, *unused: Any) -> Any:
        """Also refuse any other time in force."""
        allowed, reason = super().can_submit_order(security, order)
        if allowed and order.time_in_force.kind != "GoodTilCanceled":
            return False, f"Oanda takes GoodTilCanceled orders only, not {order.time_in_force.kind}"
        return allowed, reason


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

    def can_submit_order(self, security: Any, order: Order, *unused: Any) -> Any:
        """Also check lots and that stops and limits are on their side of the market."""
        allowed, reason = super().can_submit_order(security, order)
        if not allowed:
            return allowed, reason
        if order.exact_quantity % security.symbol_properties.exact_lot:
            return False, f"the quantity {order.exact_quantity} is no multiple of the lot"
        if order.time_in_force.kind != "GoodTilCanceled":
            return False, f"FXCM takes GoodTilCanceled orders only, not {order.time_in_force.kind}"
        buys = order.exact_quantity > 0
        limit, stop = getattr(order, "_limit_price", None), getattr(order, "_stop_price", None)
        price = security.exact_price
        if limit is not None and (limit > price if buys else limit < price):
            return False, f"the limit {limit} is on the wrong side of the price {price}"
        if stop is not None and (stop < price if buys else stop > price):
            return False, f"the stop {stop} is on the wrong side of the price {price}"
        return True, ""


class CoinbaseBrokerageModel(DefaultBrokerageModel):
    """Coinbase (formerly GDAX): crypto in cash accounts."""

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

    def can_submit_order(self, security: Any, order: Order, *unused: Any) -> Any:
        """Also refuse stop-market orders since March 2019."""
        allowed, reason = super().can_submit_order(security, order)
        sent = order.time.replace(tzinfo=UTC)
        if allowed and order.type == OrderType.STOP_MARKET and sent >= _COINBASE_STOPS_END:
            return False, f"Coinbase takes no StopMarket orders since {_COINBASE_STOPS_END:%Y-%m-%d}; use StopLimit"
        return allowed, reason

    def can_update_order(self, security: Any, order: Order, request: Any, *unused: Any) -> Any:
        """Only good-til-canceled limit orders can be changed."""
        if order.type != OrderType.LIMIT or order.time_in_force.kind != "GoodTilCanceled":
            return False, "Coinbase changes GoodTilCanceled limit orders only; cancel and send a new one"
        return True, ""


GDAXBrokerageModel = CoinbaseBrokerageModel

_MODELS: dict[BrokerageName, Callable[[AccountType], DefaultBrokerageModel]] = {
    BrokerageName.DEFAULT: DefaultBrokerageModel,
    BrokerageName.INTERACTIVE_BROKERS_BROKERAGE: InteractiveBrokersBrokerageModel,
    BrokerageName.OANDA_BROKERAGE: OandaBrokerageModel,
    BrokerageName.FXCM_BROKERAGE: FxcmBrokerageModel,
    BrokerageName.GDAX: CoinbaseBrokerageModel,
    BrokerageName.COINBASE: CoinbaseBrokerageModel,
}


def brokerage_model(name: BrokerageName, account_type: AccountType | None = None) -> DefaultBrokerageModel:
    """Return the model of a brokerage.

    Raises:
        UnsupportedLeanApi: The engine does not model it.
    """
    found = _MODELS.get(BrokerageName(name))
    if found is None:
        known = ", ".join(str(key) for key in _MODELS)
        raise UnsupportedLeanApi(f"BrokerageName.{BrokerageName(name)}", f"supported: {known}")
    if account_type is None:
        account_type = AccountType.CASH if found is CoinbaseBrokerageModel else AccountType.MARGIN
    return found(account_type)


def model_from(target: Any, name: str, security: Any, default: Any) -> Any:
    """Ask a (maybe user-written) brokerage model for one of a security's models."""
    function = find_member(target, name)
    return function(security) if function is not None else default


def _verdict(answer: Any) -> Verdict:
    if isinstance(answer, tuple):
        return bool(answer[0]), str(answer[1] or "")
    return bool(answer), "" if answer else "the brokerage model refused the order"
