"""Order classes by type, and their fields by name."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.base.enums import OrderField, OrderType
from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.orders.combos import ComboLegLimitOrder, ComboLimitOrder, ComboMarketOrder, ComboOrder
from llm_plugin.engine.orders.order import (
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
    group = request.group_order_manager
    given = [request.prices[name] for name in kind.price_names] if kind.price_names else ()
    legs = (group,) if issubclass(kind, ComboOrder) else ()
    order: Order = kind(
        request.symbol, request.exact_quantity, *given, *legs, request.time, request.tag or "", request.order_properties
    )
    order.id = request.order_id
    if group is not None:
        group.order_ids.append(order.id)
    order.time_us = time_us
    return order
