"""Forex and crypto in cash accounts: buying needs quote cash, selling needs base currency."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import OrderDirection, OrderType
from llm_plugin.engine.base.money import CONTEXT, ZERO, round_down_to, to_decimal
from llm_plugin.engine.models.buying_power_parameters import (
    MaximumQuantity,
    SufficiencyResult,
)
from llm_plugin.engine.orders.order import MarketOrder, Order

if TYPE_CHECKING:
    from llm_plugin.engine.portfolio.portfolio import SecurityPortfolioManager
from llm_plugin.engine.models.buying_power import BuyingPowerModel

__all__ = ["CashBuyingPowerModel"]


class CashBuyingPowerModel(BuyingPowerModel):
    """Forex and crypto in cash accounts: buying needs quote cash, selling needs base currency."""

    def __init__(self) -> None:
        super().__init__(1)

    def set_leverage(self, security: Any, leverage: Any) -> None:
        """Refuse any leverage but 1."""
        if to_decimal(leverage) != 1:
            raise ValueError(f"CashBuyingPowerModel has no leverage; {leverage} was asked for {security.symbol}")

    def reserved(self, security: Any) -> Decimal:
        """Nothing: currencies are bought outright."""
        return ZERO

    def maintenance_margin(self, security: Any) -> Decimal:
        """Nothing: currencies are bought outright."""
        return ZERO

    def is_sufficient(
        self, portfolio: SecurityPortfolioManager, security: Any, order: Order, filled: Decimal
    ) -> SufficiencyResult:
        """Return whether the cash of the right currency is there."""
        if order.exact_quantity == 0 or security.base_currency is None:
            return SufficiencyResult(order.exact_quantity == 0, "the security has no base currency")
        reserved = self._reserved_by_open_orders(portfolio, security, order)
        if order.direction == OrderDirection.SELL:
            available = security.base_currency.exact_amount - reserved
            if abs(order.exact_quantity) <= available:
                return SufficiencyResult(True)
            return SufficiencyResult(False, f"the account has {available} {security.base_currency.symbol}")
        cost = abs(order.exact_quantity) * _order_price(security, order)
        available = security.quote_currency.exact_amount - reserved
        if order.type == OrderType.MARKET:
            limit = self._market_limit(portfolio, security, available) * security.exact_price
        else:
            fee = security.exact_fee(order) if order.type == OrderType.LIMIT else ZERO
            rate = security.quote_currency.exact_rate
            limit = available - (fee / rate if rate else ZERO)
        if cost <= abs(limit):
            return SufficiencyResult(True)
        return SufficiencyResult(False, f"the order costs {cost} {security.quote_currency.symbol}, {limit} can be paid")

    def _market_limit(self, portfolio: SecurityPortfolioManager, security: Any, available: Decimal) -> Decimal:
        book = portfolio.cash_book
        base = security.base_currency
        held = book.exact_convert(base.exact_amount, base.symbol)
        target = book.exact_convert(available, security.quote_currency.symbol) + held
        total = portfolio.exact_total
        fraction = CONTEXT.divide(target, total) if total else ZERO
        return self.maximum_for_target(portfolio, security, fraction).quantity

    def _reserved_by_open_orders(self, portfolio: SecurityPortfolioManager, security: Any, order: Order) -> Decimal:
        currency = (
            security.quote_currency.symbol if order.direction == OrderDirection.BUY else security.base_currency.symbol
        )
        total = ZERO
        for open_order in portfolio.transactions.iterate_open_orders():
            if open_order.id == order.id or open_order.type not in (OrderType.LIMIT, OrderType.STOP_MARKET):
                continue
            other = portfolio.securities[open_order.symbol]
            if other.base_currency is None:
                continue
            if open_order.direction == OrderDirection.SELL and other.base_currency.symbol == currency:
                total += abs(open_order.exact_quantity)
            elif open_order.direction == OrderDirection.BUY and other.quote_currency.symbol == currency:
                total += abs(open_order.exact_quantity) * _order_price(other, open_order)
        return total

    def maximum_for_target(
        self,
        portfolio: SecurityPortfolioManager,
        security: Any,
        target: Decimal,
        minimum_fraction: Decimal = ZERO,
    ) -> MaximumQuantity:
        """Return the order that brings the base currency to a fraction of the portfolio's value."""
        wanted = target * portfolio.exact_total
        base = security.base_currency
        if wanted < 0:
            return MaximumQuantity(ZERO, "cash accounts cannot sell short", True)
        if wanted == 0:
            return MaximumQuantity(-base.exact_amount)
        held = portfolio.cash_book.exact_convert(base.exact_amount, base.symbol)
        goal = abs(wanted - held)
        buy = wanted > held
        rate = security.quote_currency.exact_rate * security.symbol_properties.exact_multiplier
        unit = (security.exact_ask if buy else security.exact_bid) * rate
        if unit == 0:
            return MaximumQuantity(ZERO, f"{security.symbol}: no price or conversion rate yet", True)
        lot = security.symbol_properties.exact_lot
        quantity = round_down_to(CONTEXT.divide(goal, unit), lot)
        if quantity == 0:
            return MaximumQuantity(ZERO, f"the order is smaller than one lot of {security.symbol}")
        value = last = ZERO
        while True:
            if value > goal:
                quantity -= max(CONTEXT.divide(value - goal, CONTEXT.divide(value, quantity)), lot)
            quantity = round_down_to(quantity, lot)
            if quantity <= 0:
                return MaximumQuantity(ZERO, f"the order is smaller than one lot of {security.symbol}", True)
            if quantity == last:
                raise ValueError(f"sizing of {security.symbol} does not converge at {quantity} units")
            last = quantity
            fee = security.exact_fee(MarketOrder(security.symbol, quantity, security.clock.utc_time))
            value = quantity * unit + fee
            if value <= goal:
                return MaximumQuantity(quantity if buy else -quantity)


def _order_price(security: Any, order: Order) -> Decimal:
    if order.type == OrderType.MARKET:
        return security.exact_price  # type: ignore[no-any-return]
    for name in ("_limit_price", "_stop_price"):
        value = getattr(order, name, None)
        if value is not None:
            return value  # type: ignore[no-any-return]
    return ZERO
