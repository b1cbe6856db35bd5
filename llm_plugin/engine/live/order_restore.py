"""Orders, tickets and events as rows, and the transaction manager of a new process filled with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import OrderRequestStatus, OrderStatus
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.live.state_codec import decode, encode, fill_fields
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.orders.order import Order, OrderEvent
from llm_plugin.engine.orders.tickets import OrderResponse, OrderTicket, SubmitOrderRequest

__all__ = ["order_row", "restore_orders"]

_AT_THE_BROKER = (
    OrderStatus.SUBMITTED,
    OrderStatus.UPDATE_SUBMITTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.CANCEL_PENDING,
)
_PRICES = ("stop_price", "limit_price", "trigger_price", "trailing_amount")


def order_row(core: EngineCore, order: Order) -> dict[str, Any]:
    """Return an order and what its ticket has filled."""
    ticket = core.transactions._tickets[order.id]
    kind = type(order)
    return {
        "id": order.id,
        "symbol": str(order.symbol.id),
        "open": not order.status.is_closed(),
        "kind": f"{kind.__module__}:{kind.__qualname__}",
        "fields": {name: encode(value) for name, value in vars(order).items()},
        "filled": str(ticket.exact_filled),
        "average": str(ticket.exact_average),
    }


def restore_orders(
    core: EngineCore, rows: Mapping[int, Mapping[str, Any]], events: Iterable[Mapping[str, Any]], *, working: bool
) -> None:
    """Fill the transaction manager with orders of an earlier process, under their own ids.

    Args:
        core: The run.
        rows: Orders by id, as `order_row` writes them.
        events: Order events in the order in which they happened.
        working: Whether open orders may fill: not before the warm-up is over.
    """
    manager = core.transactions
    known = {str(symbol.id): symbol for symbol in core.securities.keys()}

    def find(identifier: str) -> Symbol | None:
        return known.get(identifier)

    if working:
        manager._pending = {i: order for i, order in manager._open.items() if order.status in _AT_THE_BROKER}
        manager._needs_scan = bool(manager._pending)
        return
    for order_id in sorted(rows):
        _restore_order(core, rows[order_id], find)
    manager._last_id = max([manager._last_id, *rows])
    for row in events:
        event: OrderEvent = OrderEvent.__new__(OrderEvent)
        fill_fields(event, row, find)
        ticket = manager._tickets[event.order_id]
        event.ticket = ticket
        ticket.order_events.append(event)
        manager.events.append(event)


def _restore_order(core: EngineCore, row: Mapping[str, Any], find: Any) -> None:
    order: Order = decode({"$object": row["kind"], "fields": row["fields"]}, find)
    filled = Decimal(row["filled"])
    if order.status == OrderStatus.CANCEL_PENDING:  # the brokerage never heard of it
        order.status = OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.SUBMITTED
    manager = core.transactions
    prices = {name: getattr(order, f"_{name}") for name in _PRICES if getattr(order, f"_{name}", None) is not None}
    request = SubmitOrderRequest.make(
        order.type, order.symbol, order.exact_quantity, order.created_time, order.tag, order.properties, **prices
    )
    request.order_id = order.id
    request.set_response(OrderResponse(order.id), OrderRequestStatus.PROCESSED)
    ticket = OrderTicket(manager, request)
    ticket.set_order(order)
    ticket._filled, ticket._average = filled, Decimal(row["average"])
    manager._tickets[order.id], manager._orders[order.id] = ticket, order
    if not order.status.is_closed() and order.status != OrderStatus.NEW:
        manager._open[order.id] = order
