"""What buying power models are asked, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.orders.order import Order

if TYPE_CHECKING:
    pass

__all__ = [
    "SUFFICIENT",
    "BuyingPower",
    "BuyingPowerParameters",
    "GetMaximumOrderQuantityForTargetBuyingPowerParameters",
    "GetMaximumOrderQuantityResult",
    "HasSufficientBuyingPowerForOrderParameters",
    "HasSufficientBuyingPowerForOrderResult",
    "InitialMargin",
    "InitialMarginParameters",
    "InitialMarginRequiredForOrderParameters",
    "MaintenanceMargin",
    "MaintenanceMarginParameters",
    "MaximumQuantity",
    "ReservedBuyingPowerForPosition",
    "ReservedBuyingPowerForPositionParameters",
    "SufficiencyResult",
]


@dataclass(frozen=True, slots=True)
class SufficiencyResult:
    """Whether an order is affordable, and why not."""

    is_sufficient: bool
    reason: str = ""


SUFFICIENT = SufficiencyResult(True)


@dataclass(frozen=True, slots=True)
class MaximumQuantity:
    """A sized order and why it is smaller than wished."""

    quantity: Decimal
    reason: str = ""
    is_error: bool = False


class HasSufficientBuyingPowerForOrderParameters(LeanObject):
    """What LEAN gives a model that is asked about an order."""

    def __init__(self, portfolio: Any, security: Any, order: Order) -> None:
        self.portfolio, self.security, self.order = portfolio, security, order

    def sufficient(self) -> HasSufficientBuyingPowerForOrderResult:
        """Return yes."""
        return HasSufficientBuyingPowerForOrderResult(True)

    def insufficient(self, reason: str) -> HasSufficientBuyingPowerForOrderResult:
        """Return no."""
        return HasSufficientBuyingPowerForOrderResult(False, reason)


class HasSufficientBuyingPowerForOrderResult(LeanObject):
    """Whether an order is affordable, for user models."""

    def __init__(self, is_sufficient: bool, reason: str | None = None) -> None:
        self.is_sufficient, self.reason = is_sufficient, reason


class GetMaximumOrderQuantityForTargetBuyingPowerParameters(LeanObject):
    """What LEAN gives a model that is asked for a size."""

    def __init__(self, portfolio: Any, security: Any, target: Any, minimum_fraction: Any = 0) -> None:
        self.portfolio, self.security = portfolio, security
        self.target_buying_power = float(target)
        self.minimum_order_margin_portfolio_percentage = float(minimum_fraction)
        self.silence_non_error_reasons = False


class GetMaximumOrderQuantityResult(LeanObject):
    """A size, for user models."""

    def __init__(self, quantity: Any, reason: str | None = None, is_error: bool | None = None) -> None:
        self.quantity, self.reason = float(quantity), reason
        self.is_error = bool(reason) if is_error is None else is_error


class ReservedBuyingPowerForPositionParameters(LeanObject):
    """What LEAN gives a model that is asked about a position."""

    def __init__(self, security: Any) -> None:
        self.security = security

    def result_in_account_currency(self, amount: Any) -> ReservedBuyingPowerForPosition:
        """Wrap an amount."""
        return ReservedBuyingPowerForPosition(amount)


class ReservedBuyingPowerForPosition(LeanObject):
    """Buying power that a position uses, for user models."""

    def __init__(self, amount: Any) -> None:
        self.absolute_used_buying_power = float(amount)


class _Amount(LeanObject):
    def __init__(self, value: Any) -> None:
        self.value = float(value)

    def __float__(self) -> float:
        return self.value


class InitialMargin(_Amount):
    """Margin to open a position, in the account currency."""


class MaintenanceMargin(_Amount):
    """Margin that a position holds, in the account currency."""


class BuyingPower(_Amount):
    """Free margin for an order."""


class InitialMarginParameters(LeanObject):
    """What LEAN gives a model that is asked for the margin of a quantity."""

    def __init__(self, security: Any, quantity: Any) -> None:
        self.security, self.quantity = security, float(quantity)


class InitialMarginRequiredForOrderParameters(LeanObject):
    """What LEAN gives a model that is asked for the margin of an order."""

    def __init__(self, currency_converter: Any, security: Any, order: Order) -> None:
        self.currency_converter, self.security, self.order = currency_converter, security, order


class MaintenanceMarginParameters(LeanObject):
    """What LEAN gives a model that is asked for the margin of a position."""

    def __init__(self, security: Any, quantity: Any = None, cost: Any = None, value: Any = None) -> None:
        holdings = security.holdings
        self.security = security
        self.quantity = float(holdings.exact_quantity if quantity is None else quantity)
        self.absolute_holdings_cost = abs(float(holdings.exact_cost if cost is None else cost))
        self.absolute_holdings_value = abs(float(holdings.exact_value if value is None else value))


class BuyingPowerParameters(LeanObject):
    """What LEAN gives a model that is asked for free margin."""

    def __init__(self, portfolio: Any, security: Any, direction: Any) -> None:
        self.portfolio, self.security, self.direction = portfolio, security, direction

    def result(self, buying_power: Any, currency: str = "") -> BuyingPower:
        """Wrap an amount."""
        return BuyingPower(buying_power)

    result_in_account_currency = result
