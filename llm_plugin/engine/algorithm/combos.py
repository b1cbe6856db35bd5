"""The combo orders of QCAlgorithm."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import OrderType
from llm_plugin.engine.base.money import ZERO, to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.orders.combos import GroupOrderManager, Leg, check_ratios
from llm_plugin.engine.orders.tickets import OrderResponse, OrderTicket, SubmitOrderRequest
from llm_plugin.engine.securities.security import Security

__all__ = ["ComboApi"]


class ComboApi(LeanObject):
    """Orders of several legs; the class that derives from it checks requests."""

    _engine: EngineCore
    _security_for_order: Callable[[Any], Security]
    _pre_order_checks: Callable[[SubmitOrderRequest], OrderResponse | None]

    def combo_market_order(
        self, legs: list[Leg], quantity: int, asynchronous: bool = False, tag: str = "", order_properties: Any = None
    ) -> list[OrderTicket]:
        """Trade all legs now, together or not at all."""
        return self._combo(OrderType.COMBO_MARKET, legs, quantity, ZERO, asynchronous, tag, order_properties)

    def combo_limit_order(
        self,
        legs: list[Leg],
        quantity: int,
        limit_price: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: Any = None,
    ) -> list[OrderTicket]:
        """Trade all legs at one limit for their sum."""
        asynchronous, tag = old_tag(asynchronous, tag)
        if not limit_price or any(leg.order_price for leg in legs):
            raise ValueError(f"combo_limit_order takes one limit for all legs, not {limit_price!r} and limits of legs")
        limit = to_decimal(limit_price)
        return self._combo(OrderType.COMBO_LIMIT, legs, quantity, limit, asynchronous, tag, order_properties)

    def combo_leg_limit_order(
        self, legs: list[Leg], quantity: int, asynchronous: bool = False, tag: str = "", order_properties: Any = None
    ) -> list[OrderTicket]:
        """Trade all legs once each can trade at its own limit."""
        asynchronous, tag = old_tag(asynchronous, tag)
        if not all(leg.order_price for leg in legs):
            raise ValueError("combo_leg_limit_order needs a limit for each leg: Leg.create(symbol, quantity, limit)")
        return self._combo(OrderType.COMBO_LEG_LIMIT, legs, quantity, ZERO, asynchronous, tag, order_properties)

    def _combo(
        self,
        kind: OrderType,
        legs: list[Leg],
        quantity: int,
        limit: Decimal,
        asynchronous: bool,
        tag: str,
        properties: Any,
    ) -> list[OrderTicket]:
        core = self._engine
        check_ratios(legs)
        group = GroupOrderManager(core.transactions.next_group_id(), len(legs), quantity, limit)
        requests: list[SubmitOrderRequest] = []
        for leg in legs:
            security = self._security_for_order(leg.symbol)
            chosen = properties if properties is not None else core.default_order_properties.clone()
            price = limit if leg.order_price is None else leg.order_price
            amount = group.exact_quantity * leg.quantity
            request = SubmitOrderRequest.make(
                kind, security.symbol, amount, core.clock.utc_time, tag, chosen, asynchronous, limit_price=price
            )
            request.group_order_manager = group
            refused = self._pre_order_checks(request)
            if refused is not None:
                # Nothing is sent yet: no half of a combo is left behind.
                request.set_response(refused)
                core.error(refused.error_message)
                return [OrderTicket(core.transactions, request)]
            requests.append(request)
        return [core.transactions.add_order(request) for request in requests]


def old_tag(asynchronous: Any, tag: str) -> tuple[bool, str]:
    # Before 2025 the tag stood where `asynchronous` stands now.
    return (False, asynchronous) if isinstance(asynchronous, str) else (bool(asynchronous), tag)
