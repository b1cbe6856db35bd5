"""What user code asks for an order, and what it is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from llm_plugin.engine.base.enums import (
    OrderRequestStatus,
    OrderRequestType,
    OrderResponseErrorCode,
    OrderType,
    SecurityType,
)
from llm_plugin.engine.base.fields import float_view
from llm_plugin.engine.base.money import ZERO, to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.orders.order import OrderProperties

_NONE, _ERROR = OrderResponseErrorCode.NONE, OrderRequestStatus.ERROR

__all__ = [
    "CancelOrderRequest",
    "OrderRequest",
    "OrderResponse",
    "SubmitOrderRequest",
    "UpdateOrderFields",
    "UpdateOrderRequest",
]


class OrderResponse(LeanObject):
    """What came of a request."""

    def __init__(
        self,
        order_id: int,
        error_code: OrderResponseErrorCode = _NONE,
        error_message: str = "",
        processed: bool = True,
    ) -> None:
        self.order_id = order_id
        self.error_code = error_code
        self.error_message = error_message
        self._processed = processed

    @property
    def is_success(self) -> bool:
        """True if it was accepted."""
        return self._processed and self.error_code == _NONE

    @property
    def is_error(self) -> bool:
        """True if it was refused."""
        return self._processed and self.error_code != _NONE

    @property
    def is_processed(self) -> bool:
        """True once it has been looked at."""
        return self._processed

    def __repr__(self) -> str:
        if self.is_error:
            return f"Error: {self.error_code} - {self.error_message}"
        return "Success" if self._processed else "Unprocessed"

    def __str__(self) -> str:
        return repr(self)


class OrderRequest(LeanObject):
    """Base of the three requests."""

    order_request_type: OrderRequestType

    def __init__(self, time: datetime, order_id: int, tag: str | None) -> None:
        self.time = time
        self.order_id = order_id
        self.tag = tag
        self.status = OrderRequestStatus.UNPROCESSED
        self.response = OrderResponse(order_id, processed=False)

    def set_response(self, response: OrderResponse, status: OrderRequestStatus = _ERROR) -> None:
        """Store the response; an error always ends the request."""
        self.response = response
        self.status = _ERROR if response.error_code != _NONE and response.is_processed else status


class SubmitOrderRequest(OrderRequest):
    """Send an order.

    LEAN's constructor: `(order_type, security_type, symbol, quantity, stop_price, limit_price[, trigger_price[,
    trailing_amount, trailing_as_percentage]], time, tag[, properties], asynchronous=False)`.
    """

    order_request_type = OrderRequestType.SUBMIT

    def __init__(
        self,
        order_type: OrderType,
        security_type: SecurityType,
        symbol: Any,
        quantity: Any,
        *rest: Any,
        properties: OrderProperties | None = None,
        asynchronous: bool = False,
    ) -> None:
        position = next((i for i, value in enumerate(rest) if isinstance(value, datetime)), None)
        if position is None:
            raise TypeError("SubmitOrderRequest needs the prices, the UTC time and the tag")
        numbers, (time, tag, *more) = rest[:position], rest[position : position + 4]
        given = next((value for value in more if isinstance(value, OrderProperties)), properties)
        chosen = given if given is not None else OrderProperties()
        names = ("stop_price", "limit_price", "trigger_price", "trailing_amount", "trailing_as_percentage")
        prices = dict(zip(names, numbers, strict=False))
        self._set(order_type, security_type, symbol, quantity, time, tag, chosen, asynchronous, prices)

    def _set(
        self,
        order_type: OrderType,
        security_type: SecurityType,
        symbol: Any,
        quantity: Any,
        time: datetime,
        tag: str,
        properties: OrderProperties,
        asynchronous: bool,
        prices: dict[str, Any],
    ) -> None:
        super().__init__(time, 0, tag)
        self.order_type = order_type
        self.symbol = symbol
        self.security_type = security_type
        self.exact_quantity = to_decimal(quantity)
        self.order_properties = properties
        self.asynchronous = asynchronous
        # The combo that it is a leg of.
        self.group_order_manager: Any = None
        for name, value in prices.items():
            if not isinstance(value, bool):
                prices[name] = to_decimal(value)
        self.prices = prices

    @classmethod
    def make(
        cls,
        order_type: OrderType,
        symbol: Symbol,
        quantity: Any,
        time: datetime,
        tag: str,
        properties: OrderProperties,
        asynchronous: bool = False,
        **prices: Any,
    ) -> SubmitOrderRequest:
        """Make a request with prices by name."""
        request = cls.__new__(cls)
        request._set(order_type, symbol.security_type, symbol, quantity, time, tag, properties, asynchronous, prices)
        return request

    quantity = float_view("exact_quantity", "Signed quantity.")

    def _price(self, name: str) -> float:
        return float(self.prices.get(name, ZERO))

    @property
    def limit_price(self) -> float:
        """The limit, 0 without one."""
        return self._price("limit_price")

    @property
    def stop_price(self) -> float:
        """The stop, 0 without one."""
        return self._price("stop_price")

    @property
    def trigger_price(self) -> float:
        """The trigger, 0 without one."""
        return self._price("trigger_price")


class UpdateOrderFields(LeanObject):
    """What to change; None leaves a field as it is."""

    def __init__(self) -> None:
        object.__setattr__(self, "quantity", None)
        object.__setattr__(self, "limit_price", None)
        object.__setattr__(self, "stop_price", None)
        object.__setattr__(self, "trigger_price", None)
        object.__setattr__(self, "trailing_amount", None)
        object.__setattr__(self, "tag", None)

    quantity: Any
    limit_price: Any
    stop_price: Any
    trigger_price: Any
    trailing_amount: Any
    tag: str | None

    def __setattr__(self, name: str, value: Any) -> None:
        from llm_plugin.engine.base.names import snake

        name = snake(name)
        if name not in self.__dict__:
            self._missing_member(name)
        object.__setattr__(self, name, value)


class UpdateOrderRequest(OrderRequest):
    """Change an open order."""

    order_request_type = OrderRequestType.UPDATE

    def __init__(self, time: datetime, order_id: int, fields: UpdateOrderFields) -> None:
        super().__init__(time, order_id, fields.tag)
        self.quantity = fields.quantity
        self.limit_price = fields.limit_price
        self.stop_price = fields.stop_price
        self.trigger_price = fields.trigger_price
        self.trailing_amount = fields.trailing_amount

    @property
    def only_tag(self) -> bool:
        """True if nothing but the tag changes."""
        prices = (self.quantity, self.limit_price, self.stop_price, self.trigger_price, self.trailing_amount)
        return all(value is None for value in prices)


class CancelOrderRequest(OrderRequest):
    """Cancel an open order."""

    order_request_type = OrderRequestType.CANCEL
