"""The position in one security."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import OrderDirection, SecurityType
from llm_plugin.engine.base.fields import float_view
from llm_plugin.engine.base.money import CONTEXT, ZERO, to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.portfolio.cash import ConvertibleCashAmount

if TYPE_CHECKING:
    from llm_plugin.engine.securities.security import Security

__all__ = ["SecurityHolding"]


class SecurityHolding(LeanObject):
    """Quantity, average price and profit; exact inside, floats outside."""

    def __init__(self, security: Security) -> None:
        self._security = security
        self.exact_quantity = ZERO
        self.exact_average_price = ZERO
        self.exact_profit = ZERO
        self.exact_fees = ZERO
        self.exact_sale_volume = ZERO
        self.exact_dividends = ZERO
        self.exact_last_trade_profit = ZERO
        self.target: Any = None
        # (quantity, price, rate, multiplier) and the value that they gave.
        self._valued: tuple[Any, Any, Any, Any, Decimal] = (None, None, None, None, ZERO)

    @property
    def symbol(self) -> Any:
        """Whose position it is."""
        return self._security.symbol

    @property
    def security(self) -> Security:
        """The security."""
        return self._security

    @property
    def type(self) -> SecurityType:
        """Kind of instrument."""
        return self._security.type

    quantity = float_view("exact_quantity", "Signed quantity.")
    average_price = float_view("exact_average_price", "Average entry price.")
    profit = float_view("exact_profit", "Realised profit before fees, account currency.")
    total_fees = float_view("exact_fees", "Fees paid, account currency.")
    total_sale_volume = float_view("exact_sale_volume", "Traded value, account currency.")
    total_dividends = float_view("exact_dividends", "Dividends received, account currency.")
    last_trade_profit = float_view("exact_last_trade_profit", "Profit of the last closing trade.")

    @property
    def net_profit(self) -> float:
        """Realised profit after fees."""
        return float(self.exact_profit - self.exact_fees)

    @property
    def absolute_quantity(self) -> float:
        """Unsigned quantity."""
        return float(abs(self.exact_quantity))

    @property
    def is_long(self) -> bool:
        """True with a long position."""
        return self.exact_quantity > 0

    @property
    def is_short(self) -> bool:
        """True with a short position."""
        return self.exact_quantity < 0

    @property
    def invested(self) -> bool:
        """True with at least one lot."""
        quantity = self.exact_quantity
        return quantity != 0 and abs(quantity) >= self._security.symbol_properties.exact_lot

    @property
    def hold_stock(self) -> bool:
        """True with at least one lot."""
        return self.invested

    @property
    def price(self) -> float:
        """Last price of the security."""
        return self._security.price  # type: ignore[no-any-return]

    @property
    def leverage(self) -> float:
        """Leverage of the security."""
        return self._security.leverage

    def exact_quantity_value(self, quantity: Decimal, price: Decimal | None = None) -> Decimal:
        """Return the value of a quantity in the account currency."""
        security = self._security
        at = security.exact_price if price is None else price
        local = CONTEXT.multiply(quantity * at, security.symbol_properties.exact_multiplier)
        return CONTEXT.multiply(local, security.quote_currency.exact_rate)

    def get_quantity_value(self, quantity: Any, price: Any = None) -> ConvertibleCashAmount:
        """Return the value of a quantity in the quote currency; `in_account_currency` converts it."""
        security = self._security
        at = security.exact_price if price is None else to_decimal(price)
        local = CONTEXT.multiply(to_decimal(quantity) * at, security.symbol_properties.exact_multiplier)
        return ConvertibleCashAmount(local, security.quote_currency)

    @property
    def exact_value(self) -> Decimal:
        """Signed value of the position in the account currency."""
        quantity, security = self.exact_quantity, self._security
        if not quantity:
            return ZERO
        price, rate = security.exact_price, security.quote_currency.exact_rate
        multiplier = security.symbol_properties.exact_multiplier
        known = self._valued
        if known[0] is quantity and known[1] is price and known[2] is rate and known[3] is multiplier:
            return known[4]
        value = CONTEXT.multiply(CONTEXT.multiply(quantity * price, multiplier), rate)
        self._valued = quantity, price, rate, multiplier, value
        return value

    holdings_value = float_view("exact_value", "Signed value of the position in the account currency.")

    @property
    def absolute_holdings_value(self) -> float:
        """Unsigned value."""
        return float(abs(self.exact_value))

    @property
    def exact_cost(self) -> Decimal:
        """Average price x quantity in the account currency."""
        return self.exact_quantity_value(self.exact_quantity, self.exact_average_price) if self.exact_quantity else ZERO

    holdings_cost = float_view("exact_cost", "Average price x quantity in the account currency.")

    @property
    def absolute_holdings_cost(self) -> float:
        """Unsigned cost."""
        return float(abs(self.exact_cost))

    @property
    def unlevered_holdings_cost(self) -> float:
        """Cost divided by the leverage."""
        return self.holdings_cost / (self.leverage or 1.0)  # type: ignore[no-any-return]

    @property
    def unlevered_absolute_holdings_cost(self) -> float:
        """Unsigned cost divided by the leverage."""
        return self.absolute_holdings_cost / (self.leverage or 1.0)

    def exact_close_profit(self, include_fees: bool = True) -> Decimal:
        """Return what closing the position now would earn, in the account currency."""
        if self.exact_quantity == 0:
            return ZERO
        security = self._security
        price = security.exact_bid if self.exact_quantity > 0 else security.exact_ask
        gross = self.exact_quantity_value(self.exact_quantity, price) - self.exact_cost
        if not include_fees:
            return gross
        from llm_plugin.engine.orders.order import MarketOrder

        order = MarketOrder(security.symbol, -self.exact_quantity, security.clock.utc_time)
        return gross - security.exact_fee(order)

    def total_close_profit(self, include_fees: bool = True) -> float:
        """Return what closing the position now would earn."""
        return float(self.exact_close_profit(include_fees))

    @property
    def exact_unrealized(self) -> Decimal:
        """Unrealised profit, exact."""
        return self.exact_close_profit()

    unrealized_profit = float_view("exact_unrealized", "Unrealised profit after the fee to close.")

    @property
    def unrealized_profit_percent(self) -> float:
        """Unrealised profit as a fraction of the cost."""
        cost = abs(self.exact_cost)
        return float(CONTEXT.divide(self.exact_unrealized, cost)) if cost else 0.0

    def set_holdings(self, average_price: Any, quantity: Any) -> None:
        """Set the position."""
        self.exact_average_price = to_decimal(average_price)
        self.exact_quantity = to_decimal(quantity)
        beat()

    @property
    def direction(self) -> OrderDirection:
        """Side of the position."""
        if self.exact_quantity == 0:
            return OrderDirection.HOLD
        return OrderDirection.BUY if self.exact_quantity > 0 else OrderDirection.SELL

    def __repr__(self) -> str:
        return f"{self.symbol}: {self.exact_quantity} @ {self.exact_average_price}"

    def __str__(self) -> str:
        return repr(self)
