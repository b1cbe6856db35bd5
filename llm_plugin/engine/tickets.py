"""Order requests, responses and the ticket that user code holds."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.enums import (
    OrderField,
    OrderRequestStatus,
    OrderRequestType,
    OrderResponseErrorCode,
    OrderStatus,
    OrderType,
    SecurityType,
)
from llm_plugin.engine.fields import float_view
from llm_plugin.engine.money import ZERO, to_decimal
from llm_plugin.engine.names import LeanObject
from llm_plugin.engine.order_kinds import read_field
from llm_plugin.engine.orders import Order, OrderEvent, OrderProperties
from llm_plugin.engine.symbols import Symbol

if TYPE_CHECKING:
    from llm_plugin.engine.transactions import TransactionManager

_NONE, _ERROR = OrderResponseErrorCode.NONE, OrderRequestStatus.ERROR

__all__ = [
    "CancelOrderRequest",
    "OrderRequest",
    "OrderResponse",
    "OrderTicket",
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
        from llm_plugin.engine.names import snake

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


class OrderTicket(LeanObject):
    """A handle on a sent order."""

    def __init__(self, transactions: TransactionManager, request: SubmitOrderRequest) -> None:
        self._transactions = transactions
        self.submit_request = request
        self.update_requests: list[UpdateOrderRequest] = []
        self.cancel_request: CancelOrderRequest | None = None
        self.order_events: list[OrderEvent] = []
        self._order: Order | None = None
        self._filled = ZERO
        self._average = ZERO

    @property
    def order_id(self) -> int:
        """The order's number."""
        return self.submit_request.order_id

    @property
    def symbol(self) -> Symbol:
        """What is traded."""
        return self.submit_request.symbol  # type: ignore[no-any-return]

    @property
    def security_type(self) -> Any:
        """Kind of instrument."""
        return self.submit_request.security_type

    @property
    def order_type(self) -> OrderType:
        """Kind of order."""
        return self.submit_request.order_type

    @property
    def time(self) -> datetime:
        """When it was sent, UTC."""
        return self.submit_request.time

    @property
    def status(self) -> OrderStatus:
        """Status of the order."""
        if self._order is None:
            return OrderStatus.INVALID if self.submit_request.response.is_error else OrderStatus.NEW
        return self._order.status

    @property
    def tag(self) -> str:
        """Tag of the order."""
        return self._order.tag if self._order is not None else (self.submit_request.tag or "")

    @property
    def exact_quantity(self) -> Decimal:
        """Signed quantity, exact."""
        return self._order.exact_quantity if self._order is not None else self.submit_request.exact_quantity

    quantity = float_view("exact_quantity", "Signed quantity.")
    quantity_filled = float_view("_filled", "Signed quantity filled so far.")
    average_fill_price = float_view("_average", "Average price of the fills.")

    @property
    def exact_filled(self) -> Decimal:
        """Signed quantity filled so far, exact."""
        return self._filled

    @property
    def exact_average(self) -> Decimal:
        """Average price of the fills, exact."""
        return self._average

    @property
    def exact_remaining(self) -> Decimal:
        """Signed quantity still open, exact; 0 once closed."""
        if self.status.is_closed():
            return ZERO
        return self.exact_quantity - self._filled

    quantity_remaining = float_view("exact_remaining", "Signed quantity still open.")

    @property
    def has_order(self) -> bool:
        """True once the order exists."""
        return self._order is not None

    def set_order(self, order: Order) -> None:
        """Attach the order."""
        self._order = order

    def add_event(self, event: OrderEvent) -> None:
        """Append an event and account for its fill."""
        self.order_events.append(event)
        filled = event.exact_fill_quantity
        if filled:
            before = self._filled
            self._filled = before + filled
            if not before:
                self._average = event.exact_fill_price
            elif self._filled:
                self._average = (before * self._average + filled * event.exact_fill_price) / self._filled

    def get(self, field: OrderField) -> float:
        """Return a price of the order."""
        if self._order is None:
            raise ValueError(f"order {self.order_id} has not been processed yet")
        return read_field(self._order, field)

    def update(self, fields: UpdateOrderFields) -> OrderResponse:
        """Queue an update; it takes effect at the end of the slice."""
        request = UpdateOrderRequest(self._transactions.utc_time, self.order_id, fields)
        self._transactions.process(request)
        return request.response

    def _update_one(self, name: str, value: Any, tag: str | None) -> OrderResponse:
        fields = UpdateOrderFields()
        setattr(fields, name, value)
        if tag is not None:
            fields.tag = tag
        return self.update(fields)

    def update_tag(self, tag: str) -> OrderResponse:
        """Change the tag."""
        return self._update_one("tag", tag, None)

    def update_quantity(self, quantity: Any, tag: str | None = None) -> OrderResponse:
        """Change the quantity."""
        return self._update_one("quantity", quantity, tag)

    def update_limit_price(self, limit_price: Any, tag: str | None = None) -> OrderResponse:
        """Change the limit."""
        return self._update_one("limit_price", limit_price, tag)

    def update_stop_price(self, stop_price: Any, tag: str | None = None) -> OrderResponse:
        """Change the stop."""
        return self._update_one("stop_price", stop_price, tag)

    def update_trigger_price(self, trigger_price: Any, tag: str | None = None) -> OrderResponse:
        """Change the trigger."""
        return self._update_one("trigger_price", trigger_price, tag)

    def update_stop_trailing_amount(self, trailing_amount: Any, tag: str | None = None) -> OrderResponse:
        """Change the trailing distance."""
        return self._update_one("trailing_amount", trailing_amount, tag)

    def cancel(self, tag: str | None = None) -> OrderResponse:
        """Queue a cancellation."""
        request = CancelOrderRequest(self._transactions.utc_time, self.order_id, tag)
        self._transactions.process(request)
        return request.response

    def get_most_recent_order_response(self) -> OrderResponse:
        """Return the response of the last request."""
        return self.get_most_recent_order_request().response

    def get_most_recent_order_request(self) -> OrderRequest:
        """Return the last request."""
        if self.cancel_request is not None:
            return self.cancel_request
        return self.update_requests[-1] if self.update_requests else self.submit_request

    def __repr__(self) -> str:
        count = 1 + len(self.update_requests) + (self.cancel_request is not None)
        response = self.get_most_recent_order_response()
        return f"{self.order_id}: {count} requests; status {self.status}; {response}"

    def __str__(self) -> str:
        return repr(self)
