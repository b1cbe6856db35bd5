"""Brokerage models of brokers and order networks that LEAN reaches by API or FIX."""

from __future__ import annotations

from datetime import time, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from llm_plugin.engine.base.enums import AccountType, OrderType, SecurityType
from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.brokerages.checks import (
    BASIC_TYPES,
    EQUITY_ONLY,
    NO_UPDATES,
    ON_OPEN_CLOSE,
    crosses_zero,
    open_window,
    outside_hours,
    whole_units,
)
from llm_plugin.engine.brokerages.fees import (
    AlpacaFeeModel,
    CharlesSchwabFeeModel,
    ExanteFeeModel,
    EzeFeeModel,
    PublicFeeModel,
    TastytradeFeeModel,
    TradeStationFeeModel,
    WebullFeeModel,
)
from llm_plugin.engine.brokerages.models import DefaultBrokerageModel, InteractiveBrokersBrokerageModel
from llm_plugin.engine.orders.order import Order

__all__ = [
    "AlpacaBrokerageModel",
    "BloombergFixBrokerageModel",
    "CharlesSchwabBrokerageModel",
    "ExanteBrokerageModel",
    "EzeBrokerageModel",
    "InteractiveBrokersFixModel",
    "PublicBrokerageModel",
    "TastytradeBrokerageModel",
    "TerminalLinkBrokerageModel",
    "TradeStationBrokerageModel",
    "WebullBrokerageModel",
]


class CharlesSchwabBrokerageModel(DefaultBrokerageModel):
    """Charles Schwab."""

    security_types = EQUITY_ONLY
    order_types = frozenset(BASIC_TYPES | ON_OPEN_CLOSE | {OrderType.COMBO_MARKET, OrderType.COMBO_LIMIT})

    def get_fee_model(self, security: Any) -> Any:
        """None for equities."""
        return CharlesSchwabFeeModel()


class AlpacaBrokerageModel(DefaultBrokerageModel):
    """Alpaca: equities and crypto on margin."""

    security_types = frozenset({SecurityType.EQUITY, SecurityType.CRYPTO})
    _types: ClassVar[dict[SecurityType, frozenset[OrderType]]] = {
        SecurityType.EQUITY: frozenset(BASIC_TYPES | ON_OPEN_CLOSE | {OrderType.TRAILING_STOP}),
        SecurityType.CRYPTO: frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT}),
    }

    def __init__(self, account_type: AccountType = AccountType.MARGIN) -> None:
        super().__init__(AccountType.MARGIN)

    def get_fee_model(self, security: Any) -> Any:
        """Alpaca's fees."""
        return AlpacaFeeModel()

    def refusal(self, security: Any, order: Order) -> str:
        """Check the types of each kind of instrument, extended hours and market-on-open."""
        allowed = self._types.get(security.type)
        if allowed is None or order.type not in allowed:
            return f"Alpaca does not take {order.type} orders of {security.type}"
        if outside_hours(order) and (order.type != OrderType.LIMIT or order.time_in_force.kind != "Day"):
            return "orders outside of regular hours are limit orders of the day"
        return crosses_zero(security, order, ON_OPEN_CLOSE) or open_window(
            security, order, EQUITY_ONLY, time(19, 0), timedelta(minutes=2)
        )


class TradeStationBrokerageModel(DefaultBrokerageModel):
    """TradeStation."""

    security_types = EQUITY_ONLY
    _combos = frozenset({OrderType.COMBO_MARKET, OrderType.COMBO_LIMIT})
    order_types = frozenset(BASIC_TYPES | ON_OPEN_CLOSE | {OrderType.TRAILING_STOP} | _combos)

    def get_fee_model(self, security: Any) -> Any:
        """None for residents of the USA."""
        return TradeStationFeeModel()

    def refusal(self, security: Any, order: Order) -> str:
        """Also check extended hours, orders that turn a position and market-on-open."""
        if outside_hours(order) and (order.type != OrderType.LIMIT or security.type != SecurityType.EQUITY):
            return "orders outside of regular hours are limit orders of equities"
        return (
            super().refusal(security, order)
            or crosses_zero(security, order, ON_OPEN_CLOSE | self._combos)
            or open_window(security, order, EQUITY_ONLY, time(6, 0), timedelta(minutes=1))
        )

    def can_update_order(self, security: Any, order: Order, request: Any, *unused: Any) -> Any:
        """No new quantity for combos and for orders that turn a position."""
        changed = request.quantity is not None and to_decimal(request.quantity) != order.exact_quantity
        holding: Decimal = security.holdings.exact_quantity
        turns = holding * order.exact_quantity < 0 and (holding + order.exact_quantity) * holding < 0
        if changed and (turns or order.type in self._combos):
            return False, f"TradeStation changes no quantity of this {order.type} order; cancel and send a new one"
        return True, ""


class TastytradeBrokerageModel(DefaultBrokerageModel):
    """Tastytrade."""

    security_types = EQUITY_ONLY
    order_types = frozenset(BASIC_TYPES | {OrderType.COMBO_LIMIT})

    def get_fee_model(self, security: Any) -> Any:
        """None for equities."""
        return TastytradeFeeModel()

    def refusal(self, security: Any, order: Order) -> str:
        """Also refuse combos that turn a position."""
        return super().refusal(security, order) or crosses_zero(security, order, (OrderType.COMBO_LIMIT,))


class WebullBrokerageModel(DefaultBrokerageModel):
    """Webull."""

    security_types = EQUITY_ONLY
    order_types = frozenset(BASIC_TYPES | {OrderType.TRAILING_STOP})

    def get_fee_model(self, security: Any) -> Any:
        """None for equities."""
        return WebullFeeModel()

    def refusal(self, security: Any, order: Order) -> str:
        """Also refuse market orders outside of regular hours."""
        reason = super().refusal(security, order)
        if not reason and outside_hours(order) and order.type == OrderType.MARKET:
            return "market orders are for regular hours"
        return reason


class PublicBrokerageModel(DefaultBrokerageModel):
    """Public.com: equities and crypto."""

    security_types = frozenset({SecurityType.EQUITY, SecurityType.CRYPTO})
    order_types = frozenset(BASIC_TYPES | {OrderType.COMBO_LIMIT})

    def get_fee_model(self, security: Any) -> Any:
        """Public.com's fees."""
        return PublicFeeModel()

    def refusal(self, security: Any, order: Order) -> str:
        """Also refuse all but limit orders outside of regular hours."""
        reason = super().refusal(security, order)
        if not reason and outside_hours(order) and order.type != OrderType.LIMIT:
            return f"orders outside of regular hours are limit orders, not {order.type}"
        if not reason and hasattr(order.properties, "use_margin"):
            chosen = order.properties.use_margin
            order.properties.use_margin = self.account_type != AccountType.CASH and (chosen is None or chosen)
        return reason

    def can_update_order(self, security: Any, order: Order, request: Any, *unused: Any) -> Any:
        """Not of combos."""
        if order.type == OrderType.COMBO_LIMIT:
            return False, "Public.com changes no combo orders"
        return True, ""


class TerminalLinkBrokerageModel(DefaultBrokerageModel):
    """Terminal Link: orders cannot be changed."""

    security_types = EQUITY_ONLY
    order_types = frozenset(BASIC_TYPES | {OrderType.MARKET_ON_OPEN})

    def can_update_order(self, security: Any, order: Order, request: Any, *unused: Any) -> Any:
        """Never."""
        return False, f"Terminal Link: {NO_UPDATES}"


class _MarginOnlyModel(DefaultBrokerageModel):
    def __init__(self, account_type: AccountType = AccountType.MARGIN) -> None:
        if AccountType(account_type) == AccountType.CASH:
            raise ValueError(f"{type(self).__name__} has no cash accounts; use AccountType.MARGIN")
        super().__init__(account_type)


class BloombergFixBrokerageModel(_MarginOnlyModel):
    """Bloomberg over FIX."""

    security_types = EQUITY_ONLY
    order_types = frozenset(BASIC_TYPES | ON_OPEN_CLOSE)


class EzeBrokerageModel(_MarginOnlyModel):
    """Eze: whole shares."""

    security_types = frozenset({SecurityType.EQUITY, SecurityType.INDEX})
    order_types = frozenset(BASIC_TYPES | ON_OPEN_CLOSE)

    def get_fee_model(self, security: Any) -> Any:
        """None."""
        return EzeFeeModel()

    def refusal(self, security: Any, order: Order) -> str:
        """Also refuse fractions."""
        return super().refusal(security, order) or whole_units(order)


class ExanteBrokerageModel(DefaultBrokerageModel):
    """Exante: cash accounts by default; LEAN refuses every order without a price, as new orders are."""

    security_types = frozenset(
        {SecurityType.FOREX, SecurityType.EQUITY, SecurityType.INDEX, SecurityType.CFD, SecurityType.CRYPTO}
    )

    account_type = AccountType.CASH

    def __init__(self, account_type: AccountType = AccountType.CASH) -> None:
        super().__init__(account_type)

    def get_fee_model(self, security: Any) -> Any:
        """Exante's fees."""
        return ExanteFeeModel()

    def get_leverage(self, security: Any) -> float:
        """1.05 for forex, 1.2 for equities."""
        if self.account_type == AccountType.CASH or security.is_internal:
            return 1.0
        return {SecurityType.FOREX: 1.05, SecurityType.EQUITY: 1.2}.get(security.type, 1.0)

    def refusal(self, security: Any, order: Order) -> str:
        """Also refuse orders without a price."""
        return "the order has no price" if order.exact_price == 0 else super().refusal(security, order)


class InteractiveBrokersFixModel(InteractiveBrokersBrokerageModel):
    """Interactive Brokers over FIX."""

    times_in_force = ("GoodTilCanceled", "Day")
    order_types = frozenset(
        BASIC_TYPES | ON_OPEN_CLOSE | {OrderType.TRAILING_STOP, OrderType.COMBO_MARKET, OrderType.COMBO_LIMIT}
    )
