"""Margin and cash models: what an order needs, and how much fits a target."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import OrderDirection
from llm_plugin.engine.base.money import CONTEXT, ONE, ZERO, to_decimal
from llm_plugin.engine.base.names import LeanObject, overridden
from llm_plugin.engine.base.pulse import beating_field
from llm_plugin.engine.models.buying_power_parameters import (
    SUFFICIENT,
    BuyingPower,
    BuyingPowerParameters,
    GetMaximumOrderQuantityForTargetBuyingPowerParameters,
    GetMaximumOrderQuantityResult,
    HasSufficientBuyingPowerForOrderParameters,
    HasSufficientBuyingPowerForOrderResult,
    InitialMargin,
    InitialMarginParameters,
    InitialMarginRequiredForOrderParameters,
    MaintenanceMargin,
    MaintenanceMarginParameters,
    MaximumQuantity,
    ReservedBuyingPowerForPosition,
    ReservedBuyingPowerForPositionParameters,
    SufficiencyResult,
)
from llm_plugin.engine.orders.order import MarketOrder, Order

if TYPE_CHECKING:
    from llm_plugin.engine.portfolio.portfolio import SecurityPortfolioManager

__all__ = [
    "BuyingPowerModel",
    "ConstantBuyingPowerModel",
    "GetMaximumOrderQuantityForTargetBuyingPowerParameters",
    "GetMaximumOrderQuantityResult",
    "HasSufficientBuyingPowerForOrderParameters",
    "HasSufficientBuyingPowerForOrderResult",
    "MaximumQuantity",
    "ReservedBuyingPowerForPosition",
    "ReservedBuyingPowerForPositionParameters",
    "SecurityMarginModel",
    "SufficiencyResult",
    "maximum_quantity_for_target",
    "order_is_affordable",
    "reserved_by",
]

_BUY, _SELL = OrderDirection.BUY, OrderDirection.SELL


class BuyingPowerModel(LeanObject):
    """Margin = value / leverage."""

    maintenance = beating_field("maintenance", "Share of a position's value that it holds.")

    def __init__(self, leverage: Any = 1, required_free_buying_power_percent: Any = 0, *more: Any) -> None:
        if more:
            # (initial requirement, maintenance requirement, free buying power)
            self.initial = to_decimal(leverage)
            self.maintenance = to_decimal(required_free_buying_power_percent)
            self.required_free = to_decimal(more[0])
            return
        self._set(to_decimal(leverage))
        self.required_free = to_decimal(required_free_buying_power_percent)

    def _set(self, leverage: Decimal) -> None:
        if leverage < 1:
            raise ValueError(f"leverage must be at least 1, not {leverage}")
        self.initial = self.maintenance = CONTEXT.divide(ONE, leverage)

    def get_leverage(self, security: Any) -> float:
        """Return 1 / initial margin."""
        return float(CONTEXT.divide(ONE, self.initial)) if self.initial else 0.0

    def set_leverage(self, security: Any, leverage: Any) -> None:
        """Set the leverage."""
        self._set(to_decimal(leverage))

    def initial_margin(self, security: Any, quantity: Decimal) -> Decimal:
        """Return the signed margin to open a quantity at the current price."""
        unit = security.quote_currency.exact_rate * security.symbol_properties.exact_multiplier * security.exact_price
        return unit * quantity * self.initial  # type: ignore[no-any-return]

    def maintenance_margin(self, security: Any) -> Decimal:
        """Return the margin that the position holds."""
        return abs(security.holdings.exact_value) * self.maintenance  # type: ignore[no-any-return]

    def reserved(self, security: Any) -> Decimal:
        """Return the buying power that the position uses."""
        return self.maintenance_margin(security)

    def initial_margin_for_order(self, security: Any, order: Order) -> Decimal:
        """Return the signed margin of an order, fee included."""
        margin = self.initial_margin(security, order.exact_quantity)
        fee = security.exact_fee(order)
        return margin + (fee if margin > 0 else -fee if margin < 0 else ZERO)

    def margin_remaining(
        self, portfolio: SecurityPortfolioManager, security: Any, direction: OrderDirection
    ) -> Decimal:
        """Return free margin for an order of a side; closing the position frees its margin."""
        total = portfolio.exact_total
        result = portfolio.exact_margin_remaining_of(total)
        quantity = security.holdings.exact_quantity
        if quantity and direction == (_SELL if quantity > 0 else _BUY):
            result += self.maintenance_margin(security) + self.initial_margin(security, abs(quantity))
        result -= total * self.required_free
        return max(result, ZERO)

    def is_sufficient(
        self, portfolio: SecurityPortfolioManager, security: Any, order: Order, filled: Decimal
    ) -> SufficiencyResult:
        """Return whether the unfilled part of an order is affordable."""
        quantity = order.exact_quantity
        holding, size = security.holdings.exact_quantity, abs(quantity)
        if not quantity or (holding * quantity < 0 and abs(holding) >= size):
            return SUFFICIENT
        free = self.margin_remaining(portfolio, security, _BUY if quantity > 0 else _SELL)
        required = self.initial_margin_for_order(security, order)
        unfilled = (size - abs(filled)) / size
        needed = abs(unfilled * required)
        if needed > free:
            return SufficiencyResult(False, f"Id: {order.id}, Initial Margin: {needed}, Free Margin: {free}")
        return SUFFICIENT

    def maximum_for_target(
        self,
        portfolio: SecurityPortfolioManager,
        security: Any,
        target: Decimal,
        minimum_fraction: Decimal = ZERO,
    ) -> MaximumQuantity:
        """Return the order that brings the position to a fraction of the portfolio's margin."""
        total = portfolio.exact_total
        wanted = target * (total - total * self.required_free)
        if wanted == 0:
            return MaximumQuantity(-security.holdings.exact_quantity)
        current = self.initial_margin(security, security.holdings.exact_quantity)
        unit = self.initial_margin(security, ONE)
        if unit == 0:
            return MaximumQuantity(ZERO, f"{security.symbol}: the security does not have an accurate price yet", True)
        difference = abs(wanted - current)
        if total * minimum_fraction != 0 and difference < total * minimum_fraction and portfolio.exact_remaining > 0:
            return MaximumQuantity(
                ZERO, f"the change of margin {difference} is below the minimum {total * minimum_fraction}"
            )
        last = ZERO
        while True:
            quantity, margin = self._amount_to_order(security, wanted, unit)
            if quantity == 0:
                return MaximumQuantity(ZERO, f"the order is smaller than one lot of {security.symbol}")
            fee = security.exact_fee(MarketOrder(security.symbol, quantity, security.clock.utc_time))
            wanted = (total - fee - total * self.required_free) * target
            if quantity == last:
                raise ValueError(f"sizing of {security.symbol} does not converge at {quantity} units (fee {fee})")
            last = quantity
            if abs(margin) <= abs(wanted):
                return MaximumQuantity(quantity)

    def _amount_to_order(self, security: Any, wanted: Decimal, unit: Decimal) -> tuple[Decimal, Decimal]:
        lot = security.symbol_properties.exact_lot
        holding = security.holdings.exact_quantity
        raw = -holding + CONTEXT.divide(wanted, unit)
        quantity = (raw / lot).to_integral_value(ROUND_CEILING if wanted < 0 else ROUND_FLOOR) * lot
        margin = self.initial_margin(security, quantity + holding)
        difference = margin - wanted
        while (wanted < 0 and difference < 0) or (wanted > 0 and difference > 0):
            quantity += lot if wanted < 0 else -lot
            margin = self.initial_margin(security, quantity + holding)
            if abs(margin - wanted) > abs(difference):
                raise ValueError(f"margin of {security.symbol} moves away from the target {wanted}")
            difference = margin - wanted
        return quantity, margin

    # The same by LEAN's names, for user models that derive from this one.
    def has_sufficient_buying_power_for_order(
        self, parameters: HasSufficientBuyingPowerForOrderParameters
    ) -> HasSufficientBuyingPowerForOrderResult:
        """Return whether an order is affordable."""
        ticket = parameters.portfolio.transactions.get_order_ticket(parameters.order.id)
        filled = ticket.exact_filled if ticket is not None else ZERO
        found = self.is_sufficient(parameters.portfolio, parameters.security, parameters.order, filled)
        return HasSufficientBuyingPowerForOrderResult(found.is_sufficient, found.reason)

    def get_maximum_order_quantity_for_target_buying_power(
        self, parameters: GetMaximumOrderQuantityForTargetBuyingPowerParameters
    ) -> GetMaximumOrderQuantityResult:
        """Return the order that reaches a fraction of the portfolio."""
        found = self.maximum_for_target(
            parameters.portfolio,
            parameters.security,
            to_decimal(parameters.target_buying_power),
            to_decimal(parameters.minimum_order_margin_portfolio_percentage),
        )
        return GetMaximumOrderQuantityResult(found.quantity, found.reason, found.is_error)

    def get_reserved_buying_power_for_position(
        self, parameters: ReservedBuyingPowerForPositionParameters
    ) -> ReservedBuyingPowerForPosition:
        """Return the buying power that a position uses."""
        return ReservedBuyingPowerForPosition(self.reserved(parameters.security))

    def get_initial_margin_requirement(self, parameters: InitialMarginParameters) -> InitialMargin:
        """Return the margin to open a quantity."""
        return InitialMargin(self.initial_margin(parameters.security, to_decimal(parameters.quantity)))

    def get_initial_margin_required_for_order(
        self, parameters: InitialMarginRequiredForOrderParameters
    ) -> InitialMargin:
        """Return the margin of an order, fee included."""
        return InitialMargin(self.initial_margin_for_order(parameters.security, parameters.order))

    def get_maintenance_margin(self, parameters: MaintenanceMarginParameters) -> MaintenanceMargin:
        """Return the margin that a position holds."""
        return MaintenanceMargin(self.maintenance_margin(parameters.security))

    def get_buying_power(self, parameters: BuyingPowerParameters) -> BuyingPower:
        """Return free margin for an order of a side."""
        return BuyingPower(self.margin_remaining(parameters.portfolio, parameters.security, parameters.direction))


class SecurityMarginModel(BuyingPowerModel):
    """The default model of margin accounts."""


class ConstantBuyingPowerModel(BuyingPowerModel):
    """A fixed margin per unit."""

    def __init__(self, margin_per_unit: Any) -> None:
        super().__init__(1)
        self._per_unit = to_decimal(margin_per_unit)

    def initial_margin(self, security: Any, quantity: Decimal) -> Decimal:
        """Return the fixed margin x quantity."""
        return self._per_unit * quantity

    def maintenance_margin(self, security: Any) -> Decimal:
        """Return the fixed margin x position."""
        return self._per_unit * abs(security.holdings.exact_quantity)  # type: ignore[no-any-return]


def order_is_affordable(
    portfolio: SecurityPortfolioManager, security: Any, order: Order, filled: Decimal
) -> SufficiencyResult:
    """Ask a security's buying power model, which may be the user's."""
    model = security.buying_power_model
    user = overridden(model, "has_sufficient_buying_power_for_order", BuyingPowerModel)
    if user is None:
        return model.is_sufficient(portfolio, security, order, filled)  # type: ignore[no-any-return]
    answer = user(HasSufficientBuyingPowerForOrderParameters(portfolio, security, order))
    return SufficiencyResult(bool(answer.is_sufficient), str(getattr(answer, "reason", "") or ""))


def maximum_quantity_for_target(
    portfolio: SecurityPortfolioManager, security: Any, target: Decimal, minimum_fraction: Decimal
) -> MaximumQuantity:
    """Ask a security's buying power model for the order of a target."""
    model = security.buying_power_model
    user = overridden(model, "get_maximum_order_quantity_for_target_buying_power", BuyingPowerModel)
    if user is None:
        return model.maximum_for_target(portfolio, security, target, minimum_fraction)  # type: ignore[no-any-return]
    parameters = GetMaximumOrderQuantityForTargetBuyingPowerParameters(portfolio, security, target, minimum_fraction)
    answer = user(parameters)
    reason = str(getattr(answer, "reason", "") or "")
    return MaximumQuantity(to_decimal(answer.quantity), reason, bool(getattr(answer, "is_error", False)))


def maintenance_of(security: Any) -> Decimal:
    """Ask a security's buying power model for the margin of its position."""
    model = security.buying_power_model
    user = overridden(model, "get_maintenance_margin", BuyingPowerModel)
    if user is None:
        return model.maintenance_margin(security)  # type: ignore[no-any-return]
    return to_decimal(float(user(MaintenanceMarginParameters(security))))


def initial_margin_of(security: Any, quantity: Decimal, model: Any = None) -> Decimal:
    """Ask a buying power model, a security's own by default, for the margin to open a quantity."""
    model = security.buying_power_model if model is None else model
    user = overridden(model, "get_initial_margin_requirement", BuyingPowerModel)
    if user is None:
        return model.initial_margin(security, quantity)  # type: ignore[no-any-return]
    return to_decimal(float(user(InitialMarginParameters(security, quantity))))


def reserved_by(security: Any) -> Decimal:
    """Ask a security's buying power model what its position holds."""
    model = security.buying_power_model
    user = overridden(model, "get_reserved_buying_power_for_position", BuyingPowerModel)
    if user is None:
        return model.reserved(security)  # type: ignore[no-any-return]
    answer = user(ReservedBuyingPowerForPositionParameters(security))
    return to_decimal(answer.absolute_used_buying_power)
