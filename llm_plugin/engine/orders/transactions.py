"""From order request to fill: LEAN's transaction handler and backtesting brokerage in one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import (
    OrderRequestStatus,
    OrderStatus,
    OrderType,
    SecurityType,
)
from llm_plugin.engine.base.enums import OrderResponseErrorCode as Code
from llm_plugin.engine.base.money import ZERO, normalize, to_decimal
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.models.buying_power import order_is_affordable
from llm_plugin.engine.models.shortable import shortable_quantity_of
from llm_plugin.engine.orders.events import ModifiedFillQuantityOrderFee
from llm_plugin.engine.orders.kinds import create_order
from llm_plugin.engine.orders.order import (
    Order,
    OrderEvent,
    OrderProperties,
    OrderSubmissionData,
)
from llm_plugin.engine.orders.queries import OrderQueries
from llm_plugin.engine.orders.rules import (
    adjustment_mode,
    invalid_new,
    invalid_status,
    power_message,
    prepare,
    round_combo_limit,
    round_prices,
    unknown,
)
from llm_plugin.engine.orders.scan import CLOSED, OrderScan
from llm_plugin.engine.orders.tickets import (
    CancelOrderRequest,
    OrderRequest,
    OrderResponse,
    OrderTicket,
    SubmitOrderRequest,
    UpdateOrderRequest,
)

if TYPE_CHECKING:
    from llm_plugin.engine.core import EngineCore
    from llm_plugin.engine.securities.security import Security

__all__ = ["TransactionManager"]

_CRYPTO = SecurityType.CRYPTO
_SUBMITTED, _UPDATE_SUBMITTED = OrderStatus.SUBMITTED, OrderStatus.UPDATE_SUBMITTED
_FILLED, _CANCELED, _INVALID = OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.INVALID
_CANCEL_PENDING = OrderStatus.CANCEL_PENDING
_FILLS = (_FILLED, OrderStatus.PARTIALLY_FILLED)


class TransactionManager(OrderScan, OrderQueries):
    """`self.transactions` of an algorithm."""

    def __init__(self, algorithm: EngineCore) -> None:
        self._algorithm = algorithm
        self._clock = algorithm.clock
        self._tickets: dict[int, OrderTicket] = {}
        self._orders: dict[int, Order] = {}
        self._pending: dict[int, Order] = {}
        self._open: dict[int, Order] = {}
        self._queue: deque[OrderRequest] = deque()
        self._before_cancel: dict[int, OrderStatus] = {}
        self._last_id = 0
        self._needs_scan = False
        self.events: list[OrderEvent] = []
        self.market_order_fill_timeout: Any = None
        # Told of each event before the user is: trade builder, capacity, execution model.
        self.listeners: list[Callable[[OrderEvent], None]] = []
        self._refused: set[int] = set()
        self._last_group_id = 0

    # Requests.
    def process(self, request: OrderRequest) -> OrderTicket | None:
        """Take a request."""
        if isinstance(request, SubmitOrderRequest):
            return self.add_order(request)
        if isinstance(request, UpdateOrderRequest):
            return self._queue_update(request)
        if isinstance(request, CancelOrderRequest):
            return self._queue_cancel(request)
        raise TypeError(f"{request!r} is no order request")

    def add_order(self, request: SubmitOrderRequest) -> OrderTicket:
        """Create the order and its ticket; synchronous orders are worked off at once."""
        self._last_id += 1
        request.order_id = self._last_id
        ticket = OrderTicket(self, request)
        security = self._algorithm.securities[request.symbol]
        request.symbol = security.symbol
        order = create_order(request, self._clock.utc_us)
        self._tickets[order.id] = ticket
        refused = self._submission_refusal(request, security)
        if refused is not None:
            request.set_response(refused)
            order.price_currency = security.symbol_properties.quote_currency
            order.status = OrderStatus.INVALID
            order.tag = refused.error_message
            ticket.set_order(order)
            self._orders[order.id] = order
            self._handle(OrderEvent(order, self.utc_time, message=refused.error_message), order)
            return ticket
        request.set_response(OrderResponse(order.id), OrderRequestStatus.PROCESSING)
        order.order_submission_data = OrderSubmissionData.of(security)
        self._orders[order.id] = self._open[order.id] = order
        self._queue.append(request)
        beat()
        self.drain()
        return ticket

    def _submission_refusal(self, request: SubmitOrderRequest, security: Security) -> OrderResponse | None:
        if self._algorithm.is_warming_up:
            return OrderResponse(request.order_id, Code.ALGORITHM_WARMING_UP, "Algorithm warming up.")
        quantity, limited = request.exact_quantity, security.shortable_provider is not None
        if limited and quantity < 0 and not self._algorithm.is_shortable(request.symbol, quantity):
            text = self._short_text(request.symbol, quantity)
            return OrderResponse(request.order_id, Code.EXCEEDS_SHORTABLE_QUANTITY, text)
        return None

    def _queue_update(self, request: UpdateOrderRequest) -> OrderTicket | None:
        ticket, order = self._tickets.get(request.order_id), self._orders.get(request.order_id)
        if ticket is None or order is None:
            request.set_response(unknown(request))
            return ticket
        ticket.update_requests.append(request)
        if order.status == OrderStatus.NEW:
            request.set_response(invalid_new(request, order))
        elif order.status.is_closed() and not request.only_tag:
            request.set_response(invalid_status(request, order))
        elif request.quantity is not None and to_decimal(request.quantity) == 0:
            request.set_response(OrderResponse(order.id, Code.ORDER_QUANTITY_ZERO, "Unable to update to quantity zero"))
        elif self._algorithm.is_warming_up:
            request.set_response(OrderResponse(order.id, Code.ALGORITHM_WARMING_UP, "Algorithm warming up."))
        elif (short := self._short_refusal(ticket, order, request)) is not None:
            request.set_response(short)
        else:
            request.set_response(OrderResponse(order.id), OrderRequestStatus.PROCESSING)
            self._queue.append(request)
            beat()
        return ticket

    def _short_text(self, symbol: Any, quantity: Decimal) -> str:
        # The text becomes the order's tag, which the hash over all orders covers.
        limit = shortable_quantity_of(self._algorithm.securities[symbol]) or ZERO
        return f"Order exceeds shortable quantity {limit} for Symbol {symbol} requested {normalize(quantity)})"

    def _short_refusal(self, ticket: OrderTicket, order: Order, request: UpdateOrderRequest) -> OrderResponse | None:
        wished = ticket.exact_quantity if request.quantity is None else to_decimal(request.quantity)
        sells = order.exact_quantity < 0 or wished < 0
        if not sells or self._algorithm.is_shortable(ticket.symbol, wished, order.id):
            return None
        text = self._short_text(ticket.symbol, ticket.exact_quantity)
        return OrderResponse(order.id, Code.EXCEEDS_SHORTABLE_QUANTITY, text)

    def _queue_cancel(self, request: CancelOrderRequest) -> OrderTicket | None:
        ticket, order = self._tickets.get(request.order_id), self._orders.get(request.order_id)
        if ticket is None or order is None:
            request.set_response(unknown(request))
            return ticket
        if ticket.cancel_request is not None and not ticket.cancel_request.response.is_error:
            request.set_response(OrderResponse(order.id, Code.INVALID_REQUEST, "Cancellation is already in progress."))
            return ticket
        ticket.cancel_request = request
        if request.tag is not None:
            order.tag = request.tag
        if order.status == OrderStatus.NEW:
            request.set_response(invalid_new(request, order))
        elif order.status.is_closed():
            request.set_response(invalid_status(request, order))
        elif self._algorithm.is_warming_up:
            request.set_response(OrderResponse(order.id, Code.ALGORITHM_WARMING_UP, "Algorithm warming up."))
        else:
            self._before_cancel[order.id] = order.status
            self._handle(OrderEvent(order, self.utc_time, status=OrderStatus.CANCEL_PENDING), order)
            request.set_response(OrderResponse(order.id), OrderRequestStatus.PROCESSING)
            self._queue.append(request)
            beat()
        return ticket

    def next_group_id(self) -> int:
        """Return the number of a new combo."""
        self._last_group_id += 1
        return self._last_group_id

    def drain(self) -> None:
        """Work off all queued requests, scanning for fills after each."""
        while self._queue:
            request = self._queue.popleft()
            order = self._orders[request.order_id]
            if isinstance(request, SubmitOrderRequest):
                response = self._submit(request, order)
            elif isinstance(request, UpdateOrderRequest):
                response = self._update(request, order)
            else:
                response = self._cancel(request, order)
            request.set_response(response, OrderRequestStatus.PROCESSED)
            self.scan()

    @property
    def has_work(self) -> bool:
        """True with queued requests or open orders."""
        return self._needs_scan or bool(self._queue)

    def process_synchronous_events(self) -> None:
        """Work off queued requests, then look for fills: steps 11 and 21 of the time loop."""
        if self._queue:
            self.drain()
        if self._needs_scan:
            self.scan()

    def _submit(self, request: SubmitOrderRequest, order: Order) -> OrderResponse:
        algorithm = self._algorithm
        security = algorithm.securities[order.symbol]
        prepare(order, security)
        self._tickets[order.id].set_order(order)
        orders = self._orders_of_group(order)
        if orders is None:
            # A leg whose combo is not complete yet.
            return OrderResponse(order.id)
        if len(orders) > 1:
            round_combo_limit(orders, [algorithm.securities[one.symbol] for one in orders])
        for one in orders:
            if not one.exact_quantity:
                text = f"Unable to submit order {one.id} of zero units"
                return self._invalidate(orders, Code.ORDER_QUANTITY_ZERO, text)
        legs = [(one, security if one is order else algorithm.securities[one.symbol]) for one in orders]
        for one, traded in legs:
            affordable = order_is_affordable(algorithm.portfolio, traded, one, ZERO)
            if not affordable.is_sufficient:
                text = power_message(orders, affordable.reason)
                return self._invalidate(orders, Code.INSUFFICIENT_BUYING_POWER, text)
        for one, traded in legs:
            allowed, message = algorithm.brokerage_model.check_submit(traded, one)
            if not allowed:
                ids = ",".join(str(leg.id) for leg in orders)
                text = f"BrokerageModel declared unable to submit order: [{ids}] {message}"
                return self._invalidate(orders, Code.BROKERAGE_MODEL_REFUSED_TO_SUBMIT_ORDER, text)
        for one in orders:
            self._pending[one.id] = one
            self._needs_scan = True
            one.broker_id.append(str(one.id))
            self._handle(OrderEvent(one, self._clock.utc_time, status=_SUBMITTED), one)
        if len(orders) == 1:
            self._keep_afforded(order, security)
        return request.response

    def _invalidate(self, orders: list[Order], code: Code, message: str) -> OrderResponse:
        self._algorithm.error(message)
        for order in orders:
            self._handle(OrderEvent(order, self.utc_time, message=message, status=OrderStatus.INVALID), order)
        return OrderResponse(orders[-1].id, code, message)

    def _update(self, request: UpdateOrderRequest, order: Order) -> OrderResponse:
        algorithm = self._algorithm
        if order.status.is_closed():
            if not request.only_tag:
                return invalid_status(request, order)
            order.apply_update(request)
            return OrderResponse(order.id)
        security = algorithm.securities[order.symbol]
        allowed, message = algorithm.brokerage_model.check_update(security, order, request)
        if not allowed:
            text = f"OrderID: {order.id} {message}"
            algorithm.error(text)
            refused = "BrokerageModel declared unable to update order"
            self._handle(OrderEvent(order, self.utc_time, message=refused), order)
            return OrderResponse(order.id, Code.BROKERAGE_MODEL_REFUSED_TO_UPDATE_ORDER, text)
        wished = order.clone()
        wished.apply_update(request)
        filled = self._tickets[order.id].exact_filled
        affordable = order_is_affordable(algorithm.portfolio, security, wished, filled)
        if not affordable.is_sufficient:
            text = f"Brokerage failed to update order with id: {order.id}, {power_message([order], affordable.reason)}"
            algorithm.error(text)
            self._handle(OrderEvent(order, self.utc_time, message=text), order)
            return OrderResponse(order.id, Code.BROKERAGE_FAILED_TO_UPDATE_ORDER, text)
        order.apply_update(request)
        round_prices(order, security)
        self._needs_scan = True
        order.broker_id = order.broker_id or [str(order.id)]
        self._handle(OrderEvent(order, self.utc_time, status=OrderStatus.UPDATE_SUBMITTED), order)
        return OrderResponse(order.id)

    def _cancel(self, request: OrderRequest, order: Order) -> OrderResponse:
        if order.status.is_closed():
            return invalid_status(request, order)
        # The legs of a combo go together.
        for one in self._orders_of_group(order) or [order]:
            if not one.status.is_closed():
                self._pending.pop(one.id, None)
                self._handle(OrderEvent(one, self.utc_time, status=OrderStatus.CANCELED), one)
        if request.tag is not None:
            order.tag = request.tag
        return OrderResponse(order.id)

    def _handle(self, event: OrderEvent, order: Order) -> None:
        ticket, status = self._tickets[order.id], event.status
        event.ticket = ticket
        if self._before_cancel and status not in (_CANCEL_PENDING, _INVALID):
            self._before_cancel.pop(order.id, None)
        if status != _INVALID or order.status not in (_FILLED, _CANCELED):
            order.status = status
        if order.status in CLOSED:
            self._open.pop(order.id, None)
        order.events += 1
        event.id = order.events
        if status == _CANCELED:
            order.canceled_time = self._clock.utc_time
        elif status in _FILLS:
            order.last_fill_time = self._clock.utc_time
        elif ticket.update_requests and status in (_SUBMITTED, _UPDATE_SUBMITTED):
            order.last_update_time = self._clock.utc_time
        event.copy_order_fields(order)
        event.fill_price_currency = event.fill_price_currency or order.price_currency
        if event.exact_fill_quantity:
            self._adjust_for_base_fee(event)
            self._algorithm.portfolio.process_fill(event)
        ticket.add_event(event)
        order._price = ticket.exact_average
        self.events.append(event)
        for listener in self.listeners:
            listener(event)
        self._algorithm.dispatch_order_event(event)

    def _adjust_for_base_fee(self, event: OrderEvent) -> None:
        if event.symbol.security_type is not _CRYPTO:
            return
        security = self._algorithm.securities[event.symbol]
        base, fee = security.base_currency, event.order_fee.value
        if base is not None and fee.exact_amount and fee.currency == base.symbol:
            if event.exact_fill_quantity > 0:
                event.fill_quantity = event.exact_fill_quantity - fee.exact_amount
                quote, multiplier = security.quote_currency.symbol, security.symbol_properties.exact_multiplier
                event.order_fee = ModifiedFillQuantityOrderFee(fee, quote, multiplier)

    def force_fill(self, security: Security, quantity: Decimal, price: Decimal, tag: str) -> OrderTicket:
        """Execute a market order at a given price without fee: the engine closes a delisted position."""
        request = SubmitOrderRequest.make(
            OrderType.MARKET, security.symbol, quantity, self.utc_time, tag, OrderProperties()
        )
        self._last_id += 1
        request.order_id = self._last_id
        order = create_order(request, self._clock.utc_us)
        ticket = OrderTicket(self, request)
        order.price_currency = security.symbol_properties.quote_currency
        order.price_adjustment_mode = adjustment_mode(security)
        order.order_submission_data = OrderSubmissionData.of(security)
        order.broker_id.append(str(order.id))
        self._tickets[order.id], self._orders[order.id] = ticket, order
        ticket.set_order(order)
        request.set_response(OrderResponse(order.id), OrderRequestStatus.PROCESSED)
        self._handle(OrderEvent(order, self.utc_time, status=OrderStatus.SUBMITTED), order)
        fill = OrderEvent(order, self.utc_time, message=tag, status=OrderStatus.FILLED)
        fill.fill_price, fill.fill_quantity = price, quantity
        self._handle(fill, order)
        return ticket
