"""What brokerage models check about an order; each check returns the reason of a refusal, or an empty text."""

from __future__ import annotations

from collections.abc import Collection
from datetime import time, timedelta
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import OrderType, SecurityType
from llm_plugin.engine.base.money import normalize
from llm_plugin.engine.base.zones import DAY_US, EPOCH, MINUTE_US
from llm_plugin.engine.orders.order import Order

__all__ = [
    "BASIC_TYPES",
    "EQUITY_ONLY",
    "NO_UPDATES",
    "ON_OPEN_CLOSE",
    "below_minimum",
    "crosses_zero",
    "in_force",
    "open_window",
    "outside_hours",
    "traded_type",
    "whole_units",
]

EQUITY_ONLY = frozenset({SecurityType.EQUITY})
BASIC_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.STOP_LIMIT})
ON_OPEN_CLOSE = frozenset({OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE})
NO_UPDATES = "it changes no orders; cancel and send a new one"
_EPOCH_ORDINAL = EPOCH.toordinal()


def below_minimum(security: Any, quantity: Decimal) -> str:
    """Refuse less than the symbol's smallest order."""
    minimum = security.symbol_properties.exact_minimum_order
    if minimum is None or abs(quantity) >= minimum:
        return ""
    return f"the quantity {normalize(abs(quantity))} of {security.symbol} is below the minimum {minimum}"


def traded_type(
    name: str, security: Any, order: Order, securities: Collection[Any] | None, orders: Collection[OrderType] | None
) -> str:
    """Refuse kinds of instruments and of orders that the brokerage does not take; None takes all."""
    if securities is not None and security.type not in securities:
        return f"{name} does not trade {security.type}"
    if orders is not None and order.type not in orders:
        known = ", ".join(str(kind) for kind in sorted(orders))
        return f"{name} does not take {order.type} orders; it takes {known}"
    return ""


def in_force(name: str, order: Order, allowed: Collection[str]) -> str:
    """Refuse other times in force than those named."""
    kind = order.time_in_force.kind
    return "" if kind in allowed else f"{name} takes {' and '.join(allowed)} orders only, not {kind}"


def outside_hours(order: Order) -> bool:
    """True where the order may also fill outside regular trading hours."""
    return getattr(order.properties, "outside_regular_trading_hours", False) is True


def whole_units(order: Order) -> str:
    """Refuse fractions."""
    return f"the quantity {order.exact_quantity} is not whole" if order.exact_quantity % 1 else ""


def crosses_zero(security: Any, order: Order, refused: Collection[OrderType]) -> str:
    """Refuse orders of some types that turn a position to the other side."""
    holding = security.holdings.exact_quantity
    turned = holding * order.exact_quantity < 0 and (holding + order.exact_quantity) * holding < 0
    if not turned or order.type not in refused:
        return ""
    return f"a {order.type} order of {order.exact_quantity} may not turn a position of {holding}: close it first"


def open_window(
    security: Any, order: Order, types: Collection[SecurityType], start: time | None, before_open: timedelta
) -> str:
    """Refuse market-on-open orders outside of a daily window.

    Args:
        security: What is traded.
        order: The order.
        types: Kinds of instruments that have such orders.
        start: When the window opens, exchange time; None for the regular close.
        before_open: How long before the regular open it ends.
    """
    if order.type != OrderType.MARKET_ON_OPEN:
        return ""
    if security.type not in types:
        return f"MarketOnOpen orders are not for {security.type}"
    days, within = divmod(security.exchange.local_us, DAY_US)
    spans = [span for span in security.exchange.hours.segments(_EPOCH_ORDINAL + days) if span[2]]
    if not spans:
        return ""
    low = spans[0][1] if start is None else (start.hour * 60 + start.minute) * MINUTE_US
    high = spans[0][0] - int(before_open.total_seconds()) * 1_000_000
    inside = low <= within < high if low <= high else within >= low or within < high
    return "" if inside else f"MarketOnOpen orders are taken between {_clock(low)} and {_clock(high)} exchange time"


def _clock(within_us: int) -> str:
    minutes = within_us // MINUTE_US
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
