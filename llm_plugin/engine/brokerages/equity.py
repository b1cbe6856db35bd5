"""Brokerage models for equities beyond Interactive Brokers."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_plugin.engine.base.enums import AccountType, OrderType, SecurityType
from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.base.zones import DAY_US, MINUTE_US
from llm_plugin.engine.brokerages.checks import (
    BASIC_TYPES,
    EQUITY_ONLY,
    NO_UPDATES,
    ON_OPEN_CLOSE,
    below_minimum,
    crosses_zero,
    in_force,
    outside_hours,
    whole_units,
)
from llm_plugin.engine.brokerages.fees import (
    AlphaStreamsFeeModel,
    AxosFeeModel,
    RBIFeeModel,
    SamcoFeeModel,
    TDAmeritradeFeeModel,
    WolverineFeeModel,
    ZerodhaFeeModel,
)
from llm_plugin.engine.brokerages.models import DefaultBrokerageModel
from llm_plugin.engine.market.symbols import Market
from llm_plugin.engine.models.fees import ConstantFeeModel
from llm_plugin.engine.models.settlement import ImmediateSettlementModel
from llm_plugin.engine.models.shortable import LocalDiskShortableProvider
from llm_plugin.engine.models.slippage import AlphaStreamsSlippageModel
from llm_plugin.engine.orders.order import Order

__all__ = [
    "AlphaStreamsBrokerageModel",
    "AxosClearingBrokerageModel",
    "RBIBrokerageModel",
    "SamcoBrokerageModel",
    "TDAmeritradeBrokerageModel",
    "TradierBrokerageModel",
    "WolverineBrokerageModel",
    "ZerodhaBrokerageModel",
]

_INDIA_TIMES = ("GoodTilCanceled", "Day", "GoodTilDate")


class AxosClearingBrokerageModel(DefaultBrokerageModel):
    """Axos: whole shares, no benchmark, short sales as far as its list goes."""

    default_benchmark = None
    order_types = frozenset({OrderType.LIMIT, OrderType.MARKET, OrderType.MARKET_ON_CLOSE})
    security_types = EQUITY_ONLY
    _markets: ClassVar[dict[SecurityType, str]] = {SecurityType.EQUITY: Market.USA}

    def get_fee_model(self, security: Any) -> Any:
        """Axos' fees."""
        return AxosFeeModel()

    def get_shortable_provider(self, security: Any) -> Any:
        """Axos' list of shortable shares."""
        if security.type == SecurityType.EQUITY:
            return LocalDiskShortableProvider("axos")
        return super().get_shortable_provider(security)

    def refusal(self, security: Any, order: Order) -> str:
        """Also refuse fractions."""
        return super().refusal(security, order) or whole_units(order)


class AlphaStreamsBrokerageModel(DefaultBrokerageModel):
    """Alpha Streams: no leverage on equities, a basis point of slippage."""

    def __init__(self, account_type: AccountType = AccountType.MARGIN) -> None:
        if AccountType(account_type) == AccountType.CASH:
            raise ValueError("Alpha Streams has no cash accounts; use AccountType.MARGIN")
        super().__init__(account_type)

    def get_fee_model(self, security: Any) -> Any:
        """Alpha Streams' fees."""
        return AlphaStreamsFeeModel()

    def get_slippage_model(self, security: Any) -> Any:
        """One basis point of equities."""
        return AlphaStreamsSlippageModel()

    def get_leverage(self, security: Any) -> float:
        """10 for forex and CFDs."""
        return 10.0 if security.type in (SecurityType.FOREX, SecurityType.CFD) else 1.0

    def get_settlement_model(self, security: Any) -> Any:
        """At once."""
        return ImmediateSettlementModel()


class TradierBrokerageModel(DefaultBrokerageModel):
    """Tradier: no fees; extended hours by its own sessions."""

    order_types = BASIC_TYPES
    security_types = EQUITY_ONLY
    _sessions = (((4, 0), (9, 24)), ((16, 0), (19, 55)))

    def get_fee_model(self, security: Any) -> Any:
        """None."""
        return ConstantFeeModel(0)

    def refusal(self, security: Any, order: Order) -> str:
        """Also check time in force, short sales, size and session."""
        reason = super().refusal(security, order) or in_force("Tradier", order, ("GoodTilCanceled", "Day"))
        if reason:
            return reason
        quantity = order.exact_quantity
        if security.holdings.exact_quantity + quantity < 0:
            if order.time_in_force.kind == "GoodTilCanceled":
                return "short sales are Day orders, not GoodTilCanceled"
            if security.exact_price < 5:
                return f"short sales need a price of at least 5, not {security.exact_price}"
        if not 1 <= abs(quantity) <= 10_000_000:
            return f"the quantity {quantity} is outside of 1..10000000"
        if outside_hours(order) and not self.can_execute_order(security, order):
            return "orders outside of regular hours are limit orders between 04:00 and 09:24 or 16:00 and 19:55"
        return crosses_zero(security, order, ON_OPEN_CLOSE)

    def can_execute_order(self, security: Any, order: Order) -> bool:
        """In regular hours; limit orders that ask for it in Tradier's own sessions too."""
        if security.exchange.exchange_open:
            return True
        minute = security.exchange.local_us % DAY_US // MINUTE_US
        inside = any(a * 60 + b <= minute < c * 60 + d for (a, b), (c, d) in self._sessions)
        return outside_hours(order) and order.type == OrderType.LIMIT and inside

    def apply_split(self, tickets: list[Any], split: Any) -> None:
        """Reverse splits cancel open orders."""
        if split.exact_factor <= 1:
            super().apply_split(tickets, split)
            return
        for ticket in tickets:
            ticket.cancel("Tradier cancels open orders of stocks with a reverse split")

    def can_update_order(self, security: Any, order: Order, request: Any, *unused: Any) -> Any:
        """All but the quantity."""
        if request.quantity is not None and to_decimal(request.quantity) != order.exact_quantity:
            return False, "Tradier changes no quantities; cancel and send a new order"
        return True, ""


class _IndiaBrokerageModel(DefaultBrokerageModel):
    """Equities of India with leverage 5."""

    security_types = EQUITY_ONLY
    _markets: ClassVar[dict[SecurityType, str]] = {**DefaultBrokerageModel._markets, SecurityType.EQUITY: Market.INDIA}

    def get_leverage(self, security: Any) -> float:
        """5 for equities and indices."""
        if self.account_type == AccountType.CASH or security.is_internal or security.type == SecurityType.BASE:
            return 1.0
        if security.type in (SecurityType.EQUITY, SecurityType.INDEX):
            return 5.0
        raise ValueError(f"{type(self).__name__} has no leverage for {security.type}: {security.symbol}")

    def can_execute_order(self, security: Any, order: Order) -> bool:
        """Equities only."""
        return bool(security.type == SecurityType.EQUITY)

    def refusal(self, security: Any, order: Order) -> str:
        """Also check the time in force."""
        return super().refusal(security, order) or in_force(type(self).__name__, order, _INDIA_TIMES)


class ZerodhaBrokerageModel(_IndiaBrokerageModel):
    """Zerodha."""

    order_types = BASIC_TYPES

    def get_fee_model(self, security: Any) -> Any:
        """Zerodha's fees."""
        return ZerodhaFeeModel()


class SamcoBrokerageModel(_IndiaBrokerageModel):
    """Samco."""

    default_benchmark = (SecurityType.EQUITY, "NIFTYBEES", Market.INDIA)
    order_types = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_MARKET})

    def get_fee_model(self, security: Any) -> Any:
        """Samco's fees."""
        return SamcoFeeModel()


class _SizedEquityBrokerageModel(DefaultBrokerageModel):
    """Equities, with orders of a least size."""

    security_types = EQUITY_ONLY
    order_types: ClassVar[frozenset[OrderType] | None] = BASIC_TYPES

    def refusal(self, security: Any, order: Order) -> str:
        """Also refuse orders that are too small."""
        return below_minimum(security, order.exact_quantity) or super().refusal(security, order)


class TDAmeritradeBrokerageModel(_SizedEquityBrokerageModel):
    """TD Ameritrade."""

    def get_fee_model(self, security: Any) -> Any:
        """None for equities."""
        return TDAmeritradeFeeModel()


class RBIBrokerageModel(_SizedEquityBrokerageModel):
    """RBI."""

    def get_fee_model(self, security: Any) -> Any:
        """RBI's fees."""
        return RBIFeeModel()


class WolverineBrokerageModel(_SizedEquityBrokerageModel):
    """Wolverine: orders cannot be changed."""

    order_types = frozenset(BASIC_TYPES | {OrderType.MARKET_ON_CLOSE})

    def get_fee_model(self, security: Any) -> Any:
        """Wolverine's fees."""
        return WolverineFeeModel()

    def can_update_order(self, security: Any, order: Order, request: Any, *unused: Any) -> Any:
        """Never."""
        return False, f"Wolverine: {NO_UPDATES}"
