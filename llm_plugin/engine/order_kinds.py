"""Order classes by type, and their fields by name."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.combo_orders import ComboLegLimitOrder, ComboLimitOrder, ComboMarketOrder, ComboOrder
from llm_plugin.engine.enums import OrderField, OrderType
from llm_plugin.engine.money import to_decimal
from llm_plugin.engine.orders import (
    LimitIfTouchedOrder,
    LimitOrder,
    MarketOnCloseOrder,
    MarketOnOpenOrder,
    MarketOrder,
    Order,
    StopLimitOrder,
    StopMarketOrder,
    TrailingStopOrder,
)

__all__ = ["create_order", "order_class", "read_field"]

_CLASSES: dict[OrderType, type[Order]] = {
    kind.type: kind
    for kind in (
        MarketOrder,
        MarketOnOpenOrder,
        MarketOnCloseOrder,
        LimitOrder,
        StopMarketOrder,
        StopLimitOrder,
        TrailingStopOrder,
        LimitIfTouchedOrder,
        ComboMarketOrder,
        ComboLimitOrder,
        ComboLegLimitOrder,
    )
}


def order_class(kind: OrderType) -> type[Order]:
    """Return the class of an order type."""
    return _CLASSES[kind]


def read_field(order: Order, which: OrderField) -> float:
    """Return the field that `ticket.get` asks for.

    Raises:
        ValueError: This kind of order does not have it.
    """
    name = str(OrderField(which).name).lower()
    value = getattr(order, f"_{name}", None)
    if value is None and isinstance(order, ComboLimitOrder) and name == "limit_price":
        value = order.group_order_manager.exact_limit
    if value is None:
        raise ValueError(f"a {order.type} order has no {name}")
    return float(to_decimal(value))


def create_order(request: Any, time_us: int) -> Order:
    """Return the order of a submit request."""
    kind: Any = order_class(request.order_type)
    prices = request.prices
    positional: list[Any] = [request.symbol, request.exact_quantity]
    if issubclass(kind, TrailingStopOrder):
        positional += [prices["stop_price"], prices["trailing_amount"], prices["trailing_as_percentage"]]
    elif issubclass(kind, StopLimitOrder):
        positional += [prices["stop_price"], prices["limit_price"]]
    elif issubclass(kind, LimitIfTouchedOrder):
        positional += [prices["trigger_price"], prices["limit_price"]]
    elif issubclass(kind, LimitOrder):
        positional += [prices["limit_price"]]
    elif issubclass(kind, StopMarketOrder):
        positional += [prices["stop_price"]]
    if issubclass(kind, ComboLegLimitOrder):
        positional += [prices["limit_price"]]
    if issubclass(kind, ComboOrder):
        positional += [request.group_order_manager]
    order: Order = kind(*positional, request.time, request.tag or "", request.order_properties)
    order.id = request.order_id
    if request.group_order_manager is not None:
        request.group_order_manager.order_ids.append(order.id)
    order.time_us = time_us
    return order
