"""What user code asks about its orders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import OrderType
from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.orders.order import Order
from llm_plugin.engine.orders.tickets import CancelOrderRequest, OrderRequest, OrderTicket

__all__ = ["OrderQueries"]


class OrderQueries(LeanObject):
    """The reading half of `self.transactions`."""

    _algorithm: Any
    _tickets: dict[int, OrderTicket]
    _orders: dict[int, Order]
    _open: dict[int, Order]
    _pending: dict[int, Order]
    _last_id: int

    @property
    def utc_time(self) -> datetime:
        """Now, naive UTC."""
        now: datetime = self._algorithm.clock.utc_time
        return now

    def process(self, request: OrderRequest) -> OrderTicket | None:
        """Take a request."""
        raise NotImplementedError

    def iterate_open_orders(self) -> Iterator[Order]:
        """Yield open orders by number."""
        return iter(list(self._open.values()))

    def _matches(self, wanted: Any) -> Callable[[Any], bool]:
        if wanted is None:
            return lambda item: True
        if callable(wanted):
            return lambda item: bool(wanted(item))
        symbol = self._algorithm.symbol_cache.find(wanted)
        return lambda item: item.symbol == symbol

    def get_open_orders(self, symbol_or_filter: Any = None) -> list[Order]:
        """Return open orders, of a symbol or by a filter."""
        match = self._matches(symbol_or_filter)
        return [order.clone() for order in self.iterate_open_orders() if match(order)]

    def get_orders(self, filter: Any = None) -> list[Order]:
        """Return all orders."""
        match = self._matches(filter)
        return [order.clone() for order in self._orders.values() if match(order)]

    def get_order_by_id(self, order_id: int) -> Order | None:
        """Return an order."""
        order = self._orders.get(order_id)
        return order.clone() if order is not None else None

    def get_order_tickets(self, filter: Any = None) -> list[OrderTicket]:
        """Return all tickets."""
        match = self._matches(filter)
        return [ticket for ticket in self._tickets.values() if match(ticket)]

    def get_open_order_tickets(self, filter: Any = None) -> list[OrderTicket]:
        """Return tickets of open orders."""
        match = self._matches(filter)
        return [ticket for number in list(self._open) if match(ticket := self._tickets[number])]

    def get_order_ticket(self, order_id: int) -> OrderTicket | None:
        """Return the ticket of an order."""
        return self._tickets.get(order_id)

    def open_remaining(self, symbol: Any, kinds: Iterable[OrderType] | None = None) -> Decimal:
        """Return the signed open quantity of a symbol, optionally of some order types."""
        allowed = None if kinds is None else set(kinds)
        tickets = (self._tickets[n] for n, o in self._open.items() if o.symbol == symbol)
        return sum((t.exact_remaining for t in tickets if allowed is None or t.order_type in allowed), ZERO)

    def get_open_orders_remaining_quantity(self, symbol_or_filter: Any = None) -> float:
        """Return the signed open quantity."""
        tickets = self.get_open_order_tickets(symbol_or_filter)
        return float(sum((ticket.exact_remaining for ticket in tickets), ZERO))

    def cancel_open_orders(self, symbol: Any = None, tag: str | None = None) -> list[OrderTicket]:
        """Cancel all open orders, or those of a symbol; without either the tag names this call."""
        if symbol is None and tag is None:
            tag = f"Canceled by CancelOpenOrders() at {self.utc_time:%Y-%m-%dT%H:%M:%S.%f}0Z"
        canceled = []
        for order in self.get_open_orders(symbol):
            ticket = self._tickets[order.id]
            ticket.cancel(tag)
            canceled.append(ticket)
        return canceled

    def cancel_order(self, order_id: int, tag: str | None = None) -> OrderTicket | None:
        """Cancel an order; without a tag its own is cleared."""
        return self.process(CancelOrderRequest(self.utc_time, order_id, "" if tag is None else tag))

    def process_request(self, request: OrderRequest) -> OrderTicket | None:
        """Take a request."""
        return self.process(request)

    @property
    def orders_count(self) -> int:
        """Number of orders sent."""
        return len(self._tickets)

    @property
    def last_order_id(self) -> int:
        """Number of the last order."""
        return self._last_id

    @property
    def all_orders(self) -> list[Order]:
        """The orders themselves, by number."""
        return [self._orders[number] for number in sorted(self._orders)]

    @property
    def open_order_count(self) -> int:
        """Number of orders that wait for a fill."""
        return len(self._pending)

    @property
    def transaction_record(self) -> dict[datetime, float]:
        """Profit of closed trades by UTC time."""
        return {time: float(value) for time, value in self._algorithm.portfolio.records.items()}

    @property
    def win_count(self) -> int:
        """Closed trades with a profit."""
        return len(self._algorithm.portfolio.winning)

    @property
    def loss_count(self) -> int:
        """Closed trades without."""
        return len(self._algorithm.portfolio.losing)
