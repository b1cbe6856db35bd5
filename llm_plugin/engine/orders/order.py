"""Orders, their events and properties. Quantities and prices are floats for user code, exact decimals inside."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from llm_plugin.engine.base.enums import OrderDirection, OrderStatus, OrderType, SecurityType
from llm_plugin.engine.base.fields import decimal_field, float_view
from llm_plugin.engine.base.money import ZERO, normalize, to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.orders.events import OrderEvent, OrderFee, OrderSubmissionData, direction_of
from llm_plugin.engine.orders.options import OrderProperties
from llm_plugin.engine.orders.time_in_force import TimeInForce

__all__ = [
    "LimitIfTouchedOrder",
    "LimitOrder",
    "MarketOnCloseOrder",
    "MarketOnOpenOrder",
    "MarketOrder",
    "Order",
    "OrderEvent",
    "OrderFee",
    "OrderProperties",
    "OrderSubmissionData",
    "StopLimitOrder",
    "StopMarketOrder",
    "TimeInForce",
    "TrailingStopOrder",
]


class Order(LeanObject):
    """Base of all orders; `quantity` is signed."""

    type: OrderType = OrderType.MARKET
    # What a request gives a new order of the kind besides the quantity, as its class takes it.
    price_names: ClassVar[tuple[str, ...]] = ()
    # The combo that it is a leg of.
    group_order_manager: Any = None
    # Signed quantity, exact.
    exact_quantity: Decimal

    price = decimal_field("price", "Average price of its fills.")

    def __init__(self, symbol: Symbol, quantity: Any, time: datetime, tag: str = "", properties: Any = None) -> None:
        self.id = 0
        self.contingent_id = 0
        self.broker_id: list[str] = []
        self.symbol = symbol
        self.quantity = quantity
        self._price = ZERO
        self.price_currency = ""
        self.time = time
        self.created_time = time
        self.last_fill_time: datetime | None = None
        self.last_update_time: datetime | None = None
        self.canceled_time: datetime | None = None
        self.status = OrderStatus.NEW
        self.tag = tag or ""
        self.properties: OrderProperties = properties if properties is not None else OrderProperties()
        self.order_submission_data: OrderSubmissionData | None = None
        self.price_adjustment_mode: Any = None
        self.events = 0
        # The order's time in the engine's clock.
        self.time_us = 0

    @property
    def quantity(self) -> float:
        """Signed quantity."""
        return float(self.exact_quantity)

    @quantity.setter
    def quantity(self, value: Any) -> None:
        # LEAN drops the zeros behind the point; the order list shows it.
        self.exact_quantity = normalize(to_decimal(value))

    @property
    def exact_price(self) -> Decimal:
        """Average fill price, exact."""
        return self._price

    @property
    def direction(self) -> OrderDirection:
        """Buy, sell or hold."""
        return direction_of(self.exact_quantity)

    @property
    def security_type(self) -> SecurityType:
        """Kind of instrument."""
        return self.symbol.security_type

    @property
    def time_in_force(self) -> TimeInForce:
        """How long the order lives."""
        return self.properties.time_in_force

    @property
    def absolute_quantity(self) -> float:
        """Unsigned quantity."""
        return float(abs(self.exact_quantity))

    @property
    def exact_value(self) -> Decimal:
        """Quantity x average fill price, exact."""
        return self.exact_quantity * self.exact_price

    value = float_view("exact_value", "Quantity x average fill price.")

    @property
    def is_marketable(self) -> bool:
        """True for orders that could trade at once."""
        return False

    def value_price(self, security: Any) -> Decimal:
        """Return the price at which the order's value is reckoned for fees and margins."""
        return security.exact_price  # type: ignore[no-any-return]

    def get_value(self, security: Any) -> float:
        """Return the order's value in the account currency."""
        return float(self.exact_order_value(security))

    def exact_order_value(self, security: Any) -> Decimal:
        """Return the order's value in the account currency, exact."""
        properties = security.symbol_properties
        price = self.value_price(security)
        return self.exact_quantity * price * security.quote_currency.exact_rate * properties.exact_multiplier  # type: ignore[no-any-return]

    def default_tag(self) -> str:
        """Return the tag of an order that names none."""
        return ""

    def apply_update(self, fields: Any) -> None:
        """Take over an update request's quantity, prices and tag."""
        if fields.quantity is not None:
            self.quantity = fields.quantity
        if fields.tag is not None:
            self.tag = fields.tag

    def clone(self) -> Any:
        """Return a copy."""
        return copy.copy(self)

    def hash_fields(self) -> list[tuple[str, Any]]:
        """Return the order type's own fields in LEAN's JSON order."""
        return [("type", int(self.type))]

    def __repr__(self) -> str:
        return (
            f"OrderId: {self.id} {self.status} {self.type} order for {normalize(self.exact_quantity)} "
            f"unit{'' if abs(self.exact_quantity) == 1 else 's'} of {self.symbol}"
        )

    def __str__(self) -> str:
        return repr(self)


class MarketOrder(Order):
    """Trade now."""

    type = OrderType.MARKET

    @property
    def is_marketable(self) -> bool:
        """Always."""
        return True


class MarketOnOpenOrder(Order):
    """Trade at the next open."""

    type = OrderType.MARKET_ON_OPEN


class MarketOnCloseOrder(Order):
    """Trade at the next close."""

    type = OrderType.MARKET_ON_CLOSE
    default_submission_time_buffer = DEFAULT_SUBMISSION_TIME_BUFFER = timedelta(minutes=15, seconds=30)
    submission_time_buffer = default_submission_time_buffer


def limited_price(direction: OrderDirection, limit: Decimal, price: Decimal) -> Decimal:
    """Return what an order with a limit is reckoned at: the worse of limit and market."""
    return min(limit, price) if direction == OrderDirection.BUY else max(limit, price)


class LimitOrder(Order):
    """Trade at a price or better."""

    type = OrderType.LIMIT
    price_names = ("limit_price",)
    limit_price = decimal_field("limit_price", "The limit.")
    _limit_price: Decimal

    def __init__(
        self, symbol: Symbol, quantity: Any, limit_price: Any, time: datetime, tag: str = "", properties: Any = None
    ) -> None:
        super().__init__(symbol, quantity, time, tag, properties)
        self.limit_price = limit_price

    @property
    def is_marketable(self) -> bool:
        """True if the limit crossed the quote when the order was sent."""
        data = self.order_submission_data
        if data is None:
            return False
        limit = self._limit_price
        if self.direction == OrderDirection.BUY:
            return bool(limit >= data._ask_price)
        return bool(limit <= data._bid_price)

    def value_price(self, security: Any) -> Decimal:
        """The worse of limit and market."""
        return limited_price(self.direction, self._limit_price, security.exact_price)

    def apply_update(self, fields: Any) -> None:
        """Also take over the limit."""
        super().apply_update(fields)
        if fields.limit_price is not None:
            self.limit_price = fields.limit_price

    def hash_fields(self) -> list[tuple[str, Any]]:
        """Limit, type."""
        return [("limitPrice", self._limit_price), *super().hash_fields()]


class StopMarketOrder(Order):
    """Trade once the price goes beyond the stop."""

    type = OrderType.STOP_MARKET
    price_names: ClassVar[tuple[str, ...]] = ("stop_price",)
    stop_price = decimal_field("stop_price", "The stop.")
    _stop_price: Decimal

    def __init__(
        self, symbol: Symbol, quantity: Any, stop_price: Any, time: datetime, tag: str = "", properties: Any = None
    ) -> None:
        super().__init__(symbol, quantity, time, tag, properties)
        self.stop_price = stop_price

    def value_price(self, security: Any) -> Decimal:
        """The worse of stop and market."""
        stop, price = self._stop_price, security.exact_price
        return min(stop, price) if self.direction == OrderDirection.SELL else max(stop, price)  # type: ignore[no-any-return]

    def apply_update(self, fields: Any) -> None:
        """Also take over the stop."""
        super().apply_update(fields)
        if fields.stop_price is not None:
            self.stop_price = fields.stop_price

    def hash_fields(self) -> list[tuple[str, Any]]:
        """Stop, type."""
        return [("stopPrice", self._stop_price), ("type", int(self.type))]


class StopLimitOrder(Order):
    """Become a limit order once the price goes beyond the stop."""

    type = OrderType.STOP_LIMIT
    price_names = ("stop_price", "limit_price")
    stop_price = decimal_field("stop_price", "The stop.")
    _stop_price: Decimal
    limit_price = decimal_field("limit_price", "The limit.")
    _limit_price: Decimal

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        stop_price: Any,
        limit_price: Any,
        time: datetime,
        tag: str = "",
        properties: Any = None,
    ) -> None:
        super().__init__(symbol, quantity, time, tag, properties)
        self.stop_price, self.limit_price = stop_price, limit_price
        self.stop_triggered = False

    def value_price(self, security: Any) -> Decimal:
        """The worse of limit and market."""
        return limited_price(self.direction, self._limit_price, security.exact_price)

    def apply_update(self, fields: Any) -> None:
        """Also take over stop and limit."""
        super().apply_update(fields)
        if fields.stop_price is not None:
            self.stop_price = fields.stop_price
        if fields.limit_price is not None:
            self.limit_price = fields.limit_price

    def hash_fields(self) -> list[tuple[str, Any]]:
        """Stop, triggered, limit, type."""
        stop, limit = self._stop_price, self._limit_price
        return [("stopPrice", stop), ("stopTriggered", self.stop_triggered), ("limitPrice", limit),
                ("type", int(self.type))]  # fmt: skip


class TrailingStopOrder(StopMarketOrder):
    """A stop that follows the price."""

    type = OrderType.TRAILING_STOP
    price_names = ("stop_price", "trailing_amount", "trailing_as_percentage")
    trailing_amount = decimal_field("trailing_amount", "Distance of the stop.")
    _trailing_amount: Decimal

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        stop_price: Any,
        trailing_amount: Any,
        trailing_as_percentage: bool,
        time: datetime,
        tag: str = "",
        properties: Any = None,
    ) -> None:
        super().__init__(symbol, quantity, stop_price, time, tag, properties)
        self.trailing_amount = trailing_amount
        self.trailing_as_percentage = bool(trailing_as_percentage)

    def default_tag(self) -> str:
        """Name the distance."""
        amount = self._trailing_amount
        if self.trailing_as_percentage:
            return f"Trailing Amount: {format_percent(amount)}"
        return f"Trailing Amount: ${normalize(amount)}"

    def apply_update(self, fields: Any) -> None:
        """Also take over the distance."""
        super().apply_update(fields)
        if fields.trailing_amount is not None:
            self.trailing_amount = fields.trailing_amount

    def hash_fields(self) -> list[tuple[str, Any]]:
        """Distance, unit, type, stop."""
        return [
            ("trailingAmount", self._trailing_amount),
            ("trailingAsPercentage", self.trailing_as_percentage),
            ("type", int(self.type)),
            ("stopPrice", self._stop_price),
        ]


class LimitIfTouchedOrder(Order):
    """Become a limit order once the price touches the trigger."""

    type = OrderType.LIMIT_IF_TOUCHED
    price_names = ("trigger_price", "limit_price")
    trigger_price = decimal_field("trigger_price", "The trigger.")
    _trigger_price: Decimal
    limit_price = decimal_field("limit_price", "The limit.")
    _limit_price: Decimal

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        trigger_price: Any,
        limit_price: Any,
        time: datetime,
        tag: str = "",
        properties: Any = None,
    ) -> None:
        super().__init__(symbol, quantity, time, tag, properties)
        self.trigger_price, self.limit_price = trigger_price, limit_price
        self.trigger_touched = False

    def value_price(self, security: Any) -> Decimal:
        """The worse of limit and market."""
        return limited_price(self.direction, self._limit_price, security.exact_price)

    def apply_update(self, fields: Any) -> None:
        """Also take over trigger and limit."""
        super().apply_update(fields)
        if fields.trigger_price is not None:
            self.trigger_price = fields.trigger_price
        if fields.limit_price is not None:
            self.limit_price = fields.limit_price

    def hash_fields(self) -> list[tuple[str, Any]]:
        """Type, trigger, limit, touched."""
        return [
            ("type", int(self.type)),
            ("triggerPrice", self._trigger_price),
            ("limitPrice", self._limit_price),
            ("triggerTouched", self.trigger_touched),
        ]


def format_percent(amount: Decimal) -> str:
    """Return 0.05 as `5%`."""
    return f"{normalize(amount * 100)}%"
