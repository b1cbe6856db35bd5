"""Combo orders: legs that fill together or not at all."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from math import gcd
from typing import Any

from llm_plugin.engine.base.enums import OrderDirection, OrderType
from llm_plugin.engine.base.fields import decimal_field
from llm_plugin.engine.base.money import CONTEXT, ZERO, normalize, to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.orders.events import direction_of
from llm_plugin.engine.orders.order import Order, limited_price

__all__ = ["ComboLegLimitOrder", "ComboLimitOrder", "ComboMarketOrder", "ComboOrder", "GroupOrderManager", "Leg"]


class Leg(LeanObject):
    """One leg of a combo: what, in which ratio, and its own limit where it has one."""

    def __init__(self, symbol: Any = None, quantity: int = 0, order_price: Any = None) -> None:
        self.symbol, self.quantity, self.order_price = symbol, int(quantity), order_price

    @staticmethod
    def create(symbol: Any, quantity: int, limit_price: Any = None) -> Leg:
        """Make a leg."""
        return Leg(symbol, quantity, limit_price)


def check_ratios(legs: list[Leg]) -> None:
    """Refuse legs whose quantities have a common divisor.

    Raises:
        ValueError: It names the legs in their lowest terms.
    """
    divisor = gcd(*(leg.quantity for leg in legs)) if legs else 0
    if divisor != 1:
        wanted = ", ".join(f"{leg.quantity // divisor if divisor else 0} {leg.symbol}" for leg in legs)
        raise ValueError(f"leg quantities are ratios in lowest terms: give ({wanted}) and a larger combo quantity")


class GroupOrderManager(LeanObject):
    """What the orders of one combo share."""

    quantity = decimal_field("quantity", "How many times the legs are traded; negative sells.", "exact_quantity")
    exact_quantity: Decimal
    limit_price = decimal_field("limit_price", "Limit of the whole combo, 0 without one.")
    _limit_price: Decimal

    def __init__(self, id: int, leg_count: int, quantity: Any, limit_price: Any = 0) -> None:
        self.id, self.count = id, leg_count
        self.quantity, self.limit_price = quantity, limit_price
        self.order_ids: list[int] = []

    @property
    def exact_limit(self) -> Decimal:
        """Limit of the whole combo, exact."""
        return self._limit_price

    @property
    def direction(self) -> OrderDirection:
        """Buy, sell or hold."""
        return direction_of(self.exact_quantity)

    @property
    def absolute_quantity(self) -> float:
        """Unsigned quantity."""
        return float(abs(self.exact_quantity))

    def json_fields(self) -> dict[str, Any]:
        """Return what the order list holds of it."""
        return {
            "id": self.id,
            "quantity": self.exact_quantity,
            "count": self.count,
            "limitPrice": self.exact_limit,
            "orderIds": list(self.order_ids),
            "direction": int(self.direction),
        }


class ComboOrder(Order):
    """An order of a leg: its quantity is its ratio times the combo's."""

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        group: GroupOrderManager,
        time: datetime,
        tag: str = "",
        properties: Any = None,
    ) -> None:
        self.group_order_manager = group
        super().__init__(symbol, quantity, time, tag, properties)

    @property
    def quantity(self) -> float:
        """Signed quantity."""
        return float(self.exact_quantity)

    @quantity.setter
    def quantity(self, value: Any) -> None:
        self._ratio = CONTEXT.divide(to_decimal(value), self.group_order_manager.exact_quantity)

    @property
    def ratio(self) -> Decimal:
        """Units of the leg in one combo."""
        return self._ratio

    @property
    def exact_quantity(self) -> Decimal:  # type: ignore[override]
        """Signed quantity, exact."""
        return normalize(self._ratio * self.group_order_manager.exact_quantity)

    def apply_update(self, fields: Any) -> None:
        """Take over tag and quantity; the quantity is that of the whole combo."""
        if fields.tag is not None:
            self.tag = fields.tag
        if fields.quantity is not None:
            self.group_order_manager.quantity = fields.quantity

    def hash_fields(self) -> list[tuple[str, Any]]:
        """Type and quantity, as LEAN's class of combos declares them."""
        return [("type", int(self.type)), ("quantity", self.exact_quantity)]


class ComboMarketOrder(ComboOrder):
    """Trade all legs now."""

    type = OrderType.COMBO_MARKET

    @property
    def is_marketable(self) -> bool:
        """Always."""
        return True


class ComboLimitOrder(ComboOrder):
    """Trade all legs at one limit for their sum."""

    type = OrderType.COMBO_LIMIT

    def value_price(self, security: Any) -> Decimal:
        """The worse of limit and market."""
        return limited_price(self.direction, self.group_order_manager.exact_limit, security.exact_price)

    def apply_update(self, fields: Any) -> None:
        """Also take over the limit."""
        super().apply_update(fields)
        if fields.limit_price is not None:
            self.group_order_manager.limit_price = fields.limit_price


class ComboLegLimitOrder(ComboOrder):
    """Trade all legs once each can trade at its own limit."""

    type = OrderType.COMBO_LEG_LIMIT
    price_names = ("limit_price",)
    limit_price = decimal_field("limit_price", "The leg's limit.")
    _limit_price: Decimal

    def __init__(
        self,
        symbol: Symbol,
        quantity: Any,
        limit_price: Any,
        group: GroupOrderManager,
        time: datetime,
        tag: str = "",
        properties: Any = None,
    ) -> None:
        super().__init__(symbol, quantity, group, time, tag, properties)
        self.limit_price = limit_price

    def value_price(self, security: Any) -> Decimal:
        """The worse of limit and market."""
        return limited_price(self.direction, self._limit_price, security.exact_price)

    def apply_update(self, fields: Any) -> None:
        """Also take over the limit."""
        super().apply_update(fields)
        if fields.limit_price is not None:
            self.limit_price = fields.limit_price

    def hash_fields(self) -> list[tuple[str, Any]]:
        """Type, limit, quantity."""
        return [("type", int(self.type)), ("limitPrice", self._limit_price), ("quantity", self.exact_quantity)]


def combined_price(order: Any, security: Any, low: Decimal, high: Decimal) -> Decimal:
    """Return what a leg adds to the price of its combo; LEAN counts equities in hundreds."""
    group = order.group_order_manager
    price = low if group.direction == OrderDirection.BUY else high
    quantity = order.ratio / 100 if security.symbol.security_type == 1 else order.ratio
    return price * quantity if quantity else ZERO
