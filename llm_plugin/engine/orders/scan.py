"""The look at open orders: expiry, buying power, fill model, fees."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import OrderStatus, OrderType
from llm_plugin.engine.base.pulse import PULSE
from llm_plugin.engine.data.bars import TradeBar
from llm_plugin.engine.models.buying_power import BuyingPowerModel, SecurityMarginModel, order_is_affordable
from llm_plugin.engine.models.cash_buying_power import CashBuyingPowerModel
from llm_plugin.engine.models.equity_fills import EquityFillModel
from llm_plugin.engine.models.fills import FillModelParameters, SecuritiesForOrders, events_of, subscribed_types
from llm_plugin.engine.orders.order import Order, OrderEvent
from llm_plugin.engine.orders.rules import power_message
from llm_plugin.engine.orders.time_in_force import GoodTilCanceledTimeInForce, TimeInForce

if TYPE_CHECKING:
    from llm_plugin.engine.base.clock import Clock
    from llm_plugin.engine.core import EngineCore
    from llm_plugin.engine.orders.tickets import OrderTicket
    from llm_plugin.engine.securities.security import Security

__all__ = ["OrderScan"]

_AT_ONCE = (OrderType.MARKET, OrderType.COMBO_MARKET)
_TIMELESS = (TimeInForce, GoodTilCanceledTimeInForce)
_TRADES = {TradeBar}
CLOSED = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.INVALID)
_OWN = "llm_plugin.engine."
# What an order needs of them does not depend on the time of the day.
_STEADY = (BuyingPowerModel, SecurityMarginModel, CashBuyingPowerModel)


class OrderScan:
    """Tries to fill what is open; the class that mixes it in keeps the orders."""

    _algorithm: EngineCore
    _clock: Clock
    _tickets: dict[int, OrderTicket]
    _orders: dict[int, Order]
    _pending: dict[int, Order]
    _needs_scan: bool
    _queue: deque[Any]
    events: list[OrderEvent]
    # How many events there were when all open orders were looked at; -1: not all of them were.
    _looked_at = -1
    # An order that was affordable, the events and the time since which nothing can have changed that, and the pulse.
    _afforded: tuple[int, int, int] | None = None
    _mark: object = None
    _handle: Callable[[OrderEvent, Order], None]
    utc_time: datetime

    def scan(self) -> None:
        """Try to fill every open order, lowest number first."""
        if not self._needs_scan:
            return
        now = self._clock.utc_us
        whole = True
        for order_id in sorted(self._pending):
            order = self._pending.get(order_id)
            if order is None or order.status in CLOSED:
                self._pending.pop(order_id, None)
                continue
            if order.time_us == now and order.type not in _AT_ONCE:
                whole = whole and self._is_as_sent(order)
                continue
            orders = [order] if order.group_order_manager is None else self._orders_of_group(order)
            if orders is not None:
                self._try_fill(order, orders)
        self._needs_scan = bool(self._pending)
        self._looked_at = len(self.events) if whole else -1

    def waits_for_data(self) -> bool:
        """Whether another look at the open orders would show what the last one did, unless a security has new data."""
        if self._queue or self._looked_at != len(self.events):
            return False
        return all(self._waits(order) for order in self._pending.values())

    def _keep_afforded(self, order: Order, security: Security) -> None:
        """Remember that an order was just found affordable, unless user code may have changed that."""
        algorithm = self._algorithm
        models = security.buying_power_model, security.fee_model, algorithm.brokerage_model
        if _are_own(models) and not algorithm.tells_orders:
            self._afforded = order.id, len(self.events), self._clock.utc_us
            self._mark = PULSE.mark

    def _is_as_sent(self, order: Order) -> bool:
        """Whether a look at an order sent at this moment would find what sending it found, while no price moves."""
        model = type(self._algorithm.securities[order.symbol].buying_power_model)
        known = order.id, len(self.events), self._clock.utc_us
        return self._afforded == known and self._mark is PULSE.mark and model in _STEADY

    def _waits(self, order: Order) -> bool:
        security = self._algorithm.securities[order.symbol]
        bar, models = security.cache.trade, (security.buying_power_model, security.fee_model)
        return (
            order.type is OrderType.MARKET_ON_OPEN
            and order.status is OrderStatus.SUBMITTED
            and order.group_order_manager is None
            and type(order.time_in_force) in _TIMELESS
            and type(security.fill_model) is EquityFillModel
            and subscribed_types(security) == _TRADES
            and _are_own(models)
            and (bar is None or bar._start_local < security.exchange.hours.time_zone.local(order.time_us))
        )

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
        lives = order.properties.time_in_force
        if type(lives) not in _TIMELESS and lives.is_order_expired(security, order):
            self._drop(orders, OrderStatus.CANCELED, "The order has expired.")
            return
        known, self._afforded = self._afforded, None
        for one in () if known == (order.id, len(self.events), self._clock.utc_us) else orders:
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
            if event.status == target.status and not event.exact_fill_quantity:
                continue
            if event.status in CLOSED:
                self._pending.pop(target.id, None)
            self._handle(event, target)

    def _fill_events(self, security: Security, order: Order, orders: list[Order]) -> list[OrderEvent]:
        algorithm = self._algorithm
        securities = algorithm.securities
        parameters = FillModelParameters(
            security,
            order,
            algorithm.subscription_manager,
            algorithm.settings.stale_price_time_span,
            SecuritiesForOrders({one: security if one is order else securities[one.symbol] for one in orders}),
        )
        events = events_of(security.fill_model, parameters)
        lives = order.properties.time_in_force
        if type(lives) not in _TIMELESS and not all(lives.is_fill_valid(security, order, event) for event in events):
            return []
        for event in events:
            if event.status == OrderStatus.FILLED and not event.order_fee.value.exact_amount:
                if event.order_id == order.id:
                    event.order_fee = security.order_fee(order)
                else:
                    target = self._orders[event.order_id]
                    event.order_fee = securities[target.symbol].order_fee(target)
        return events


def _are_own(models: Iterable[Any]) -> bool:
    """Whether no model is of a class of the user's."""
    for model in models:
        if not type(model).__module__.startswith(_OWN):
            return False
    return True
