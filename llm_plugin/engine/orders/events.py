"""What happened to an order, what it cost, and the prices when it was sent."""

from __future__ import annotations

import copy
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from llm_plugin.engine.base.enums import OrderDirection, OrderStatus
from llm_plugin.engine.base.fields import decimal_field, optional_decimal_field
from llm_plugin.engine.base.money import ZERO, normalize, smart_rounding, to_decimal
from llm_plugin.engine.base.names import LeanObject, pascal
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.portfolio.cash import CURRENCY_SYMBOLS, CashAmount

__all__ = ["ModifiedFillQuantityOrderFee", "OrderEvent", "OrderFee", "OrderSubmissionData", "direction_of"]

_BUY, _SELL, _HOLD = OrderDirection.BUY, OrderDirection.SELL, OrderDirection.HOLD
_PRICES = ("_limit_price", "_stop_price", "_trigger_price", "_trailing_amount")


def direction_of(quantity: Decimal) -> OrderDirection:
    """Return the side of a signed quantity."""
    if quantity > 0:
        return _BUY
    return _SELL if quantity < 0 else _HOLD


class OrderSubmissionData(LeanObject):
    """Prices at the moment an order was sent."""

    bid_price = decimal_field("bid_price", "Bid.")
    ask_price = decimal_field("ask_price", "Ask.")
    last_price = decimal_field("last_price", "Close.")

    _bid_price: Decimal
    _ask_price: Decimal
    _last_price: Decimal

    def __init__(self, bid_price: Any, ask_price: Any, last_price: Any) -> None:
        self.bid_price, self.ask_price, self.last_price = bid_price, ask_price, last_price

    @classmethod
    def of(cls, security: Any) -> OrderSubmissionData:
        """Return the prices of a security as they are now."""
        made = cls.__new__(cls)
        made._bid_price, made._ask_price = security.exact_bid, security.exact_ask
        made._last_price = security.exact_close
        return made


class OrderFee(LeanObject):
    """What a fill costs."""

    zero: ClassVar[OrderFee]

    def __init__(self, value: CashAmount) -> None:
        self.value = value

    def apply_to_portfolio(self, portfolio: Any, fill: Any) -> None:
        """Take the fee from the cash of its currency."""
        portfolio.cash_book[self.value.currency].exact_amount += -self.value.exact_amount
        beat()

    def __str__(self) -> str:
        return str(self.value)


class ModifiedFillQuantityOrderFee(OrderFee):
    """A fee in the bought currency: the fill became smaller, and its price is paid in the quote currency."""

    def __init__(self, value: CashAmount, quote_currency: str, contract_multiplier: Decimal) -> None:
        super().__init__(value)
        self._quote, self._multiplier = quote_currency, contract_multiplier

    def apply_to_portfolio(self, portfolio: Any, fill: Any) -> None:
        """Pay for the part that went to the brokerage."""
        paid = self.value.exact_amount * fill.exact_fill_price * self._multiplier
        portfolio.cash_book[self._quote].add_amount(-paid)


OrderFee.zero = OrderFee(CashAmount(ZERO, ""))


OrderFee.Zero = OrderFee.ZERO = OrderFee.zero  # type: ignore[attr-defined]


class OrderEvent(LeanObject):
    """Something that happened to an order."""

    fill_price = decimal_field("fill_price", "Price of the fill.", "exact_fill_price")
    fill_quantity = decimal_field("fill_quantity", "Signed quantity of the fill.", "exact_fill_quantity")
    quantity = decimal_field("quantity", "Signed quantity of the order.", "exact_quantity")
    limit_price = optional_decimal_field("limit_price", "Current limit.")
    stop_price = optional_decimal_field("stop_price", "Current stop.")
    trigger_price = optional_decimal_field("trigger_price", "Current trigger.")
    trailing_amount = optional_decimal_field("trailing_amount", "Current trailing distance.")

    def __init__(
        self, order: Any, utc_time: datetime, order_fee: OrderFee | None = None, message: str = "", **fill: Any
    ) -> None:
        self.order_id = order.id
        self.id = 0
        self.symbol = order.symbol
        self.utc_time = utc_time
        self.status: OrderStatus = fill.get("status", order.status)
        self.exact_quantity: Decimal = order.exact_quantity
        self.direction = direction_of(self.exact_quantity)
        self.exact_fill_price = to_decimal(fill["fill_price"]) if "fill_price" in fill else ZERO
        self.fill_price_currency = order.price_currency
        self.exact_fill_quantity = to_decimal(fill["fill_quantity"]) if "fill_quantity" in fill else ZERO
        self.order_fee = order_fee if order_fee is not None else OrderFee.zero
        self.message = message
        self._limit_price = self._stop_price = self._trigger_price = self._trailing_amount = None
        self.trailing_as_percentage: bool | None = None
        self.is_assignment = False
        self.is_in_the_money = False
        self.shortable_inventory: float | None = None
        self.ticket: Any = None

    @property
    def absolute_fill_quantity(self) -> float:
        """Unsigned quantity of the fill."""
        return float(abs(self.exact_fill_quantity))

    def copy_order_fields(self, order: Any) -> None:
        """Show the order's current prices, so that updates can be seen."""
        self.exact_quantity = order.exact_quantity
        if not order.price_names:
            return
        prices = vars(order)
        for name in _PRICES:
            value = prices.get(name)
            if value is not None:
                setattr(self, name, value)
        if prices.get("_trailing_amount") is not None:
            self.trailing_as_percentage = order.trailing_as_percentage

    def clone(self) -> OrderEvent:
        """Return a copy."""
        return copy.copy(self)

    def __repr__(self) -> str:
        unit = CURRENCY_SYMBOLS.get(self.fill_price_currency, "$")
        text = f"Time: {self.utc_time:%m/%d/%Y %H:%M:%S} OrderID: {self.order_id} EventID: {self.id}"
        text += f" Symbol: {self.symbol.value} Status: {self.status} Quantity: {normalize(self.exact_quantity)}"
        if self.exact_fill_quantity != 0:
            price = smart_rounding(self.exact_fill_price)
            text += f" FillQuantity: {normalize(self.exact_fill_quantity)} FillPrice: {unit}{price}"
        for name in ("limit_price", "stop_price", "trailing_amount", "trigger_price"):
            value = getattr(self, f"_{name}")
            if value is not None:
                text += f" {pascal(name)}: {unit}{smart_rounding(value)}"
        if self.order_fee.value.exact_amount != 0:
            text += f" OrderFee: {self.order_fee}"
        return f"{text} Message: {self.message}" if self.message else text

    def __str__(self) -> str:
        return repr(self)
