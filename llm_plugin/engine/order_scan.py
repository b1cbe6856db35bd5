"""The look at open orders: expiry, buying power, fill model, fees."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.buying_power import order_is_affordable
from llm_plugin.engine.enums import OrderStatus, OrderType
from llm_plugin.engine.fills import FillModelParameters, SecuritiesForOrders
from llm_plugin.engine.names import find_member
from llm_plugin.engine.order_rules import power_message
from llm_plugin.engine.orders import Order, OrderEvent

if TYPE_CHECKING:
    from llm_plugin.engine.clock import Clock
    from llm_plugin.engine.core import EngineCore
    from llm_plugin.engine.securities import Security
    from llm_plugin.engine.tickets import OrderTicket

__all__ = ["OrderScan"]

_AT_ONCE = (OrderType.MARKET, OrderType.COMBO_MARKET)


class OrderScan:
    """Tries to fill what is open; the class that mixes it in keeps the orders."""

    _algorithm: EngineCore
    _clock: Clock
    _tickets: dict[int, OrderTicket]
    _orders: dict[int, Order]
    _pending: dict[int, Order]
    _needs_scan: bool
    _handle: Callable[[OrderEvent, Order], None]
    utc_time: datetime

    def scan(self) -> None:
        """Try to fill every open order, lowest number first."""
        if not self._needs_scan:
            return
        now = self._clock.utc_us
        for order_id in sorted(self._pending):
            order = self._pending.get(order_id)
            if order is None or order.status.is_closed():
                self._pending.pop(order_id, None)
                continue
            if order.time_us == now and order.type not in _AT_ONCE:
                continue
            orders = self._orders_of_group(order)
            if orders is not None:
                self._try_fill(order, orders)
        self._needs_scan = bool(self._pending)

    def _orders_of_group(self, order: Order) -> list[Order] | None:
        """Return the order, or all legs of its combo; None while legs are missing."""
        group = order.group_order_manager
        if group is None:
            return [order]
        if len(group.order_ids) < group.count:
            return None
        return [self._orders[number] for number in group.order_ids]

    def _drop(self, orders: list[Order], status: OrderStatus, message: str) -> None:
        for order in orders:
            self._pending.pop(order.id, None)
            if not order.status.is_closed():
                self._handle(OrderEvent(order, self.utc_time, message=message, status=status), order)

    def _try_fill(self, order: Order, orders: list[Order]) -> None:
        algorithm = self._algorithm
        security = algorithm.securities[order.symbol]
        if order.time_in_force.is_order_expired(security, order):
            self._drop(orders, OrderStatus.CANCELED, "The order has expired.")
            return
        for one in orders:
            filled = self._tickets[one.id].exact_filled
            affordable = order_is_affordable(algorithm.portfolio, algorithm.securities[one.symbol], one, filled)
            if not affordable.is_sufficient:
                if order.status == OrderStatus.CANCEL_PENDING:
                    return
                message = power_message(orders, affordable.reason)
                self._drop(orders, OrderStatus.INVALID, message)
                algorithm.error(message)
                return
        for event in self._fill_events(security, order, orders):
            target = order if event.order_id == order.id else self._orders[event.order_id]
            if event.status == target.status and event.exact_fill_quantity == 0:
                continue
            if event.status.is_closed():
                self._pending.pop(target.id, None)
            self._handle(event, target)

    def _fill_events(self, security: Security, order: Order, orders: list[Order]) -> list[OrderEvent]:
        fill: Any = find_member(security.fill_model, "fill")
        if fill is None:
            raise ValueError(f"{type(security.fill_model).__name__} has no fill method")
        algorithm = self._algorithm
        securities = algorithm.securities
        parameters = FillModelParameters(
            security,
            order,
            algorithm.subscription_manager,
            algorithm.settings.stale_price_time_span,
            SecuritiesForOrders({one: securities[one.symbol] for one in orders}),
        )
        result = fill(parameters)
        events: list[OrderEvent] = list(getattr(result, "events", [result]))
        if not all(order.time_in_force.is_fill_valid(security, order, event) for event in events):
            return []
        for event in events:
            if event.status == OrderStatus.FILLED and event.order_fee.value.exact_amount == 0:
                target = order if event.order_id == order.id else self._orders[event.order_id]
                event.order_fee = securities[target.symbol].order_fee(target)
        return events
