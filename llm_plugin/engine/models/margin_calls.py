"""Margin calls: what to sell when a margin account runs dry."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import OrderType
from llm_plugin.engine.base.money import CONTEXT, ZERO
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.zones import MINUTE_US
from llm_plugin.engine.models.buying_power import maintenance_of
from llm_plugin.engine.orders.tickets import SubmitOrderRequest

if TYPE_CHECKING:
    from llm_plugin.engine.core import EngineCore

__all__ = ["MARGIN_CHECK_US", "MarginCallModel"]

MARGIN_CHECK_US = 5 * MINUTE_US
_BUFFER = Decimal("0.10")
_WARNING = Decimal("0.05")


class MarginCallModel(LeanObject):
    """LEAN's default: a warning below 5 % free margin, orders above 110 % used."""

    def __init__(self, core: EngineCore) -> None:
        self._core = core

    def check(self) -> None:
        """Look at the margin; warn the user or send reducing orders."""
        core = self._core
        portfolio, algorithm = core.portfolio, core.algorithm
        total, used = portfolio.exact_total, portfolio.exact_margin_used
        if used == 0:
            return
        remaining = total - portfolio.unsettled_cash_book.exact_total - used
        requests = self.requests(total, used) if remaining <= 0 else []
        if requests:
            answer = algorithm.on_margin_call(requests)
            requests = list(requests if answer is None else answer)
            self.execute(requests)
        elif remaining <= total * _WARNING:
            algorithm.on_margin_call_warning()

    def requests(self, total: Decimal, used: Decimal) -> list[SubmitOrderRequest]:
        """Return an order per position that together bring the used margin down to the portfolio's value."""
        core = self._core
        if used <= total * (1 + _BUFFER):
            return []
        found = []
        for security in core.securities.values():
            quantity = security.holdings.exact_quantity
            if quantity == 0:
                continue
            margin = maintenance_of(security)
            if margin == 0:
                continue
            share = CONTEXT.divide(margin, used) * (used - total)
            lot = security.symbol_properties.exact_lot
            units = CONTEXT.divide(share, CONTEXT.divide(margin, abs(quantity)))
            amount = (units / lot).to_integral_value(ROUND_DOWN) * lot
            if amount < units:
                amount += lot
            amount = min(amount, abs(quantity))
            signed = -amount if quantity > 0 else amount
            found.append(
                SubmitOrderRequest.make(
                    OrderType.MARKET, security.symbol, signed, core.clock.utc_time, "Margin Call",
                    core.default_order_properties.clone(),
                )
            )  # fmt: skip
        return found

    def execute(self, requests: list[SubmitOrderRequest]) -> list[Any]:
        """Send the orders, biggest loser first, until there is free margin again."""
        core = self._core
        securities = core.securities
        if not all(securities[request.symbol].exchange.exchange_open for request in requests):
            return []
        requests.sort(key=lambda request: securities[request.symbol].holdings.exact_unrealized)
        tickets: list[Any] = []
        for request in requests:
            if tickets and core.portfolio.exact_remaining > ZERO:
                break
            request.tag = request.tag or "Margin Call"
            tickets.append(core.transactions.add_order(request))
            core.message("", f"Margin Call: {request.symbol.value} {request.exact_quantity}")
        return tickets
