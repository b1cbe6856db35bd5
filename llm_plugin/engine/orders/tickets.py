"""The ticket of an order that user code holds."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import (
    OrderField,
    OrderStatus,
    OrderType,
)
from llm_plugin.engine.base.fields import float_view
from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.orders.kinds import read_field
from llm_plugin.engine.orders.order import Order, OrderEvent
from llm_plugin.engine.orders.requests import (
    CancelOrderRequest,
    OrderRequest,
    OrderResponse,
    SubmitOrderRequest,
    UpdateOrderFields,
    UpdateOrderRequest,
)

if TYPE_CHECKING:
    from llm_plugin.engine.orders.transactions import TransactionManager

__all__ = [
    "CancelOrderRequest",
    "OrderRequest",
    "OrderResponse",
    "OrderTicket",
    "SubmitOrderRequest",
    "UpdateOrderFields",
    "UpdateOrderRequest",
]


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
