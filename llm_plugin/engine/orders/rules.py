"""Rounding of order prices, and the texts of refused requests."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import DataNormalizationMode, OrderType, SecurityType
from llm_plugin.engine.base.enums import OrderResponseErrorCode as Code
from llm_plugin.engine.base.money import ZERO, normalize, round_down_to
from llm_plugin.engine.orders.order import Order, TimeInForce
from llm_plugin.engine.orders.tickets import OrderRequest, OrderResponse

if TYPE_CHECKING:
    from llm_plugin.engine.securities.security import Security

__all__ = [
    "adjustment_mode",
    "drop_good_til_date",
    "invalid_new",
    "invalid_status",
    "power_message",
    "prepare",
    "price_increment",
    "round_combo_limit",
    "round_prices",
    "round_to_increment",
    "unknown",
]

_PRICES = ("_limit_price", "_stop_price", "_trigger_price", "_trailing_amount")
_ON_OPEN_CLOSE = (OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE)
_DOLLAR, _PENNY = Decimal(1), Decimal("0.0001")


def price_increment(security: Security) -> Decimal:
    """Return the step to which order prices are rounded; 0 leaves them as they are."""
    if security.type == SecurityType.EQUITY:
        if adjustment_mode(security) != DataNormalizationMode.RAW:
            return ZERO
        price = security.exact_price
        return _PENNY if 0 < price < _DOLLAR else security.symbol_properties.exact_tick
    return security.symbol_properties.exact_tick


def round_to_increment(value: Decimal, step: Decimal) -> Decimal:
    """Round to a multiple of a step, half to even."""
    return (value / step).to_integral_value() * step


def adjustment_mode(security: Security) -> Any:
    configs = security.subscriptions
    return configs[0].data_normalization_mode if configs else DataNormalizationMode.ADJUSTED


def power_message(orders: list[Order], reason: str) -> str:
    ids = ", ".join(str(order.id) for order in orders)
    values = ", ".join(str(normalize(order.exact_quantity)) for order in orders)
    return (
        f"Order Error: ids: [{ids}], Insufficient buying power to complete orders (Value:[{values}]), Reason: {reason}."
    )


def unknown(request: OrderRequest) -> OrderResponse:
    return OrderResponse(
        request.order_id, Code.UNABLE_TO_FIND_ORDER, f"Unable to locate order with id {request.order_id}."
    )


def invalid_status(request: OrderRequest, order: Order) -> OrderResponse:
    return OrderResponse(
        request.order_id,
        Code.INVALID_ORDER_STATUS,
        f"Unable to change order with id {order.id} because it already has {order.status} status.",
    )


def invalid_new(request: OrderRequest, order: Order) -> OrderResponse:
    return OrderResponse(
        request.order_id,
        Code.INVALID_NEW_ORDER_STATUS,
        f"Unable to change order with id {order.id} because it is still {order.status}.",
    )


def prepare(order: Order, security: Security) -> None:
    """Give a new order what follows from its security: currency, whole lots, rounded prices."""
    properties = security.symbol_properties
    order.price_currency = properties.quote_currency
    order.tag = order.tag or order.default_tag()
    quantity = order.exact_quantity
    rounded = round_down_to(quantity, properties.exact_lot)
    if rounded != quantity:
        order.quantity = rounded
    round_prices(order, security)
    if order.type in _ON_OPEN_CLOSE:
        drop_good_til_date(order)
    order.price_adjustment_mode = adjustment_mode(security)


def drop_good_til_date(order: Order) -> None:
    """Market-on-open and -close orders live until canceled."""
    if order.properties.time_in_force.kind == "GoodTilDate":
        order.properties = order.properties.clone()
        order.properties.time_in_force = TimeInForce.GOOD_TIL_CANCELED


def round_prices(order: Order, security: Security) -> None:
    """Round an order's prices to the step of its security."""
    step = price_increment(security) if order.price_names else ZERO
    if step == 0:
        return
    prices = vars(order)
    for name in _PRICES:
        value = prices.get(name)
        if value is None or (name == "_trailing_amount" and getattr(order, "trailing_as_percentage", False)):
            continue
        setattr(order, name, round_to_increment(value, step))


def round_combo_limit(orders: list[Order], securities: list[Security]) -> None:
    """Round the limit of a complete combo to the finest step of its legs."""
    group = orders[0].group_order_manager
    steps = [step for step in map(price_increment, securities) if step > 0]
    if group is not None and steps and group.exact_limit:
        group.limit_price = round_to_increment(group.exact_limit, min(steps))
