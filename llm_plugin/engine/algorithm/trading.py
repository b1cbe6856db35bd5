"""The trading members of QCAlgorithm."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from llm_plugin.engine.algorithm.combos import ComboApi, old_tag
from llm_plugin.engine.base.enums import AlgorithmStatus, OrderType, SecurityType
from llm_plugin.engine.base.enums import OrderResponseErrorCode as Code
from llm_plugin.engine.base.money import ZERO, to_decimal
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.engine.models.fill_rules import initial_trailing_stop
from llm_plugin.engine.orders.checks import daily_only, refusal, too_late_for_close
from llm_plugin.engine.orders.order import Order, OrderProperties
from llm_plugin.engine.orders.tickets import OrderResponse, OrderTicket, SubmitOrderRequest
from llm_plugin.engine.portfolio.sizing import order_quantity, order_targets_by_margin
from llm_plugin.engine.securities.security import Security

__all__ = ["TradingApi"]


class TradingApi(ComboApi):
    """Orders, sizing, liquidation."""

    _engine: EngineCore

    # Order types.
    def market_order(
        self,
        symbol: Any,
        quantity: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Trade now; while the exchange is closed, or on daily data, at the next open or close instead."""
        core = self._engine
        security = self._security_for_order(symbol)
        hours = security.exchange.hours
        if not security.exchange.exchange_open:
            ticket = self.market_on_open_order(security.symbol, quantity, asynchronous, tag, order_properties)
            if ticket.submit_request.response.is_success:
                core.warn_once(
                    "closed",
                    "Warning: market orders submitted while the market is closed are automatically converted into "
                    "MarketOnOpen orders to fill at the next market open.",
                )
            return ticket
        if not hours.is_market_always_open and daily_only(security):
            convert = self.market_on_open_order if too_late_for_close(security) else self.market_on_close_order
            ticket = convert(security.symbol, quantity, asynchronous, tag, order_properties)
            if ticket.submit_request.response.is_success:
                core.warn_once(
                    "daily",
                    "Warning: market orders on daily resolution data sent during market hours are automatically "
                    "converted into MarketOnClose orders (or MarketOnOpen near the close).",
                )
            return ticket
        return self._send(OrderType.MARKET, security, quantity, asynchronous, tag, order_properties)

    def order(
        self,
        symbol: Any,
        quantity: Any,
        asynchronous: Any = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Trade now; `order(symbol, quantity, OrderType.MARKET_ON_OPEN)` names another simple type."""
        if isinstance(asynchronous, OrderType):
            simple = {
                OrderType.MARKET: self.market_order,
                OrderType.MARKET_ON_OPEN: self.market_on_open_order,
                OrderType.MARKET_ON_CLOSE: self.market_on_close_order,
            }
            if asynchronous not in simple:
                raise ValueError(f"order() takes no {asynchronous}: use the method of that order type")
            return simple[asynchronous](symbol, quantity, tag=tag, order_properties=order_properties)
        return self.market_order(symbol, quantity, asynchronous, tag, order_properties)

    def buy(self, symbol: Any, quantity: Any) -> OrderTicket:
        """Buy now."""
        return self.market_order(symbol, abs(to_decimal(quantity)))

    def sell(self, symbol: Any, quantity: Any) -> OrderTicket:
        """Sell now."""
        return self.market_order(symbol, -abs(to_decimal(quantity)))

    def market_on_open_order(
        self,
        symbol: Any,
        quantity: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Trade at the next open."""
        security = self._security_for_order(symbol)
        return self._send(OrderType.MARKET_ON_OPEN, security, quantity, asynchronous, tag, order_properties)

    def market_on_close_order(
        self,
        symbol: Any,
        quantity: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Trade at the next close."""
        security = self._security_for_order(symbol)
        return self._send(OrderType.MARKET_ON_CLOSE, security, quantity, asynchronous, tag, order_properties)

    def limit_order(
        self,
        symbol: Any,
        quantity: Any,
        limit_price: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Trade at a price or better."""
        asynchronous, tag = old_tag(asynchronous, tag)
        security = self._security_for_order(symbol)
        return self._send(
            OrderType.LIMIT, security, quantity, asynchronous, tag, order_properties, limit_price=limit_price
        )

    def stop_market_order(
        self,
        symbol: Any,
        quantity: Any,
        stop_price: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Trade once the price goes beyond the stop."""
        asynchronous, tag = old_tag(asynchronous, tag)
        security = self._security_for_order(symbol)
        return self._send(
            OrderType.STOP_MARKET, security, quantity, asynchronous, tag, order_properties, stop_price=stop_price
        )

    def stop_limit_order(
        self,
        symbol: Any,
        quantity: Any,
        stop_price: Any,
        limit_price: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Become a limit order once the price goes beyond the stop."""
        asynchronous, tag = old_tag(asynchronous, tag)
        security = self._security_for_order(symbol)
        prices = {"stop_price": stop_price, "limit_price": limit_price}
        return self._send(OrderType.STOP_LIMIT, security, quantity, asynchronous, tag, order_properties, **prices)

    def trailing_stop_order(self, symbol: Any, quantity: Any, *args: Any, **kwargs: Any) -> OrderTicket:
        """`(symbol, quantity[, stop], trailing_amount, trailing_as_percentage[, asynchronous, tag, properties])`."""
        names = ["trailing_amount", "trailing_as_percentage", "asynchronous", "tag", "order_properties"]
        if "stop_price" in kwargs or (len(args) >= 3 and isinstance(args[2], bool) and not isinstance(args[1], bool)):
            names.insert(0, "stop_price")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        security = self._security_for_order(symbol)
        amount, percentage = to_decimal(given["trailing_amount"]), bool(given["trailing_as_percentage"])
        stop = given.get("stop_price")
        if stop is None:
            stop = initial_trailing_stop(to_decimal(quantity) > 0, security.exact_price, amount, percentage)
        return self._send(
            OrderType.TRAILING_STOP,
            security,
            quantity,
            bool(given.get("asynchronous", False)),
            given.get("tag", ""),
            given.get("order_properties"),
            stop_price=stop,
            trailing_amount=amount,
            trailing_as_percentage=percentage,
        )

    def limit_if_touched_order(
        self,
        symbol: Any,
        quantity: Any,
        trigger_price: Any,
        limit_price: Any,
        asynchronous: bool = False,
        tag: str = "",
        order_properties: OrderProperties | None = None,
    ) -> OrderTicket:
        """Become a limit order once the price touches the trigger."""
        asynchronous, tag = old_tag(asynchronous, tag)
        security = self._security_for_order(symbol)
        prices = {"trigger_price": trigger_price, "limit_price": limit_price}
        return self._send(OrderType.LIMIT_IF_TOUCHED, security, quantity, asynchronous, tag, order_properties, **prices)

    def _security_for_order(self, symbol: Any) -> Security:
        core = self._engine
        security = core.securities.get(symbol)
        if security is not None:
            return security
        # Also a ticker that was subscribed once; only what was never added is unknown.
        known = core.symbol_cache.find(symbol)
        if known is None:
            # LEAN's answer is an invalid ticket: a security that nobody added, so that the checks refuse it.
            nobody = Symbol(SecurityIdentifier(str(symbol), SecurityType.BASE, "usa"), str(symbol))
            return core.create_security(nobody, internal=True)
        security = core.algorithm.add_security(known)
        core.algorithm.seed_security(security)
        return security  # type: ignore[no-any-return]

    def _send(
        self,
        kind: OrderType,
        security: Security,
        quantity: Any,
        asynchronous: bool,
        tag: str,
        properties: OrderProperties | None,
        **prices: Any,
    ) -> OrderTicket:
        core = self._engine
        chosen = properties if properties is not None else core.default_order_properties.clone()
        request = SubmitOrderRequest.make(
            kind, security.symbol, quantity, core.clock.utc_time, tag, chosen, asynchronous, **prices
        )
        return self.submit_order_request(request)

    def submit_order_request(self, request: SubmitOrderRequest) -> OrderTicket:
        """Check a request and send it; a refused one gives an Invalid ticket that counts as no order."""
        refused = self._pre_order_checks(request)
        if refused is not None:
            request.set_response(refused)
            self._engine.error(refused.error_message)
            return OrderTicket(self._engine.transactions, request)
        return self._engine.transactions.add_order(request)

    def _pre_order_checks(self, request: SubmitOrderRequest) -> OrderResponse | None:
        """Return why a request is not sent, None where it is."""
        core = self._engine
        reason = refusal(core, core.securities.get(request.symbol), request)
        if reason is not None:
            return OrderResponse(request.order_id, *reason)
        if core.transactions.orders_count > core.max_orders:
            core.status = AlgorithmStatus.STOPPED
            text = f"You have exceeded maximum number of orders ({core.max_orders})"
            return OrderResponse(request.order_id, Code.EXCEEDED_MAXIMUM_ORDERS, text)
        return None

    # Sizing.
    def calculate_order_quantity(self, symbol: Any, target: Any) -> float:
        """Return the order that brings a symbol to a fraction of the portfolio."""
        return float(order_quantity(self, self._engine.securities[symbol].symbol, target) or ZERO)

    def set_holdings(self, *args: Any, **kwargs: Any) -> list[OrderTicket]:
        """`(symbol, fraction[, liquidate_existing, asynchronous, tag, properties])`, or `(targets[, ...])`."""
        if args and isinstance(args[0], list | tuple):
            return self._set_many(args[0], *args[1:], **kwargs)
        names = ("symbol", "percentage", "liquidate_existing_holdings", "asynchronous", "tag", "order_properties")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if isinstance(given.get("asynchronous"), str):
            # Older form: (symbol, fraction, liquidate, tag, properties).
            given["tag"], given["order_properties"] = given["asynchronous"], given.get("tag") or None
            given["asynchronous"] = False
        if isinstance(given["symbol"], list):
            return self._set_many(given.pop("symbol"), **{k: v for k, v in given.items() if k != "percentage"})
        security = self._security_for_order(self._known(given["symbol"]))
        quantity = order_quantity(self, security.symbol, given["percentage"]) or ZERO
        return self._set_one(
            security,
            quantity,
            bool(given.get("liquidate_existing_holdings", False)),
            bool(given.get("asynchronous", False)),
            given.get("tag"),
            given.get("order_properties"),
        )

    def _set_one(
        self, security: Security, quantity: Decimal, liquidate: bool, asynchronous: bool, tag: Any, properties: Any
    ) -> list[OrderTicket]:
        tickets: list[OrderTicket] = []
        if liquidate:
            others = [s for s in self._by_ticker() if s != security.symbol]
            tickets = self._liquidate(others, asynchronous, tag, properties)
        kinds = (OrderType.MARKET, OrderType.MARKET_ON_OPEN)
        quantity -= self._engine.transactions.open_remaining(security.symbol, kinds)
        if quantity != 0:
            send = self.market_order if security.exchange.exchange_open else self.market_on_open_order
            tickets.append(send(security.symbol, quantity, asynchronous, tag or "", properties))
        return tickets

    def _set_many(
        self,
        targets: Iterable[Any],
        liquidate_existing_holdings: bool = False,
        asynchronous: bool = False,
        tag: str | None = None,
        order_properties: Any = None,
    ) -> list[OrderTicket]:
        core = self._engine
        wanted = list(targets)
        tickets: list[OrderTicket] = []
        if liquidate_existing_holdings:
            named = {core.securities[t.symbol].symbol for t in wanted}
            tickets = self._liquidate(
                [s for s in self._by_ticker() if s not in named], asynchronous, tag, order_properties
            )
        for security, delta in order_targets_by_margin(self, wanted):
            tickets += self._set_one(security, delta, False, asynchronous, tag, order_properties)
        return tickets

    # Liquidation.
    def _by_ticker(self) -> list[Symbol]:
        return sorted(self._engine.securities.keys(), key=lambda symbol: symbol.value)

    def liquidate(self, *args: Any, **kwargs: Any) -> list[OrderTicket]:
        """`([symbol or symbols][, asynchronous, tag, properties])`: cancel open orders and close positions."""
        names = ("symbol", "asynchronous", "tag", "order_properties")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if isinstance(given.get("asynchronous"), str):
            given["tag"], given["asynchronous"] = given["asynchronous"], False
        wanted = given.get("symbol", given.get("symbols", given.get("symbol_to_liquidate")))
        if wanted is None:
            symbols = self._by_ticker()
        elif isinstance(wanted, list | tuple):
            symbols = sorted((self._known(s) for s in wanted), key=lambda symbol: symbol.value)
        else:
            symbols = [self._known(wanted)]
        return self._liquidate(
            symbols, bool(given.get("asynchronous", False)), given.get("tag"), given.get("order_properties")
        )

    def _known(self, key: Any) -> Symbol:
        found = self._engine.symbol_cache.find(key)
        if found is None:
            raise ValueError(f"{key} was never added to the algorithm")
        return found

    def _liquidate(
        self, symbols: list[Symbol], asynchronous: bool, tag: str | None, properties: Any
    ) -> list[OrderTicket]:
        core = self._engine
        if not core.settings.liquidate_enabled:
            core.message("", "Liquidate() is currently disabled by settings.")
            return []
        text = "Liquidated" if tag is None else tag
        tickets = []
        for symbol in symbols:
            security = core.securities.get(symbol)
            if security is None:
                core.warn_once("liquidate", f"Warning: liquidate ignored symbol '{symbol}': it has not been added.")
                continue
            holding = security.holdings
            quantity = holding.exact_quantity if holding.invested else ZERO
            orders: list[Order] = [o for o in core.transactions.iterate_open_orders() if o.symbol == symbol]
            only = orders[0] if len(orders) == 1 else None
            if only is not None and only.type == OrderType.MARKET and quantity and only.exact_quantity == -quantity:
                continue
            waiting = ZERO
            for order in orders:
                if order.type == OrderType.MARKET:
                    ticket = core.transactions.get_order_ticket(order.id)
                    waiting += ticket.exact_remaining if ticket is not None else ZERO
                else:
                    core.transactions.cancel_order(order.id, text)
            if quantity != 0:
                amount = -quantity - waiting
                tickets.append(self.market_order(symbol, amount, asynchronous, text, properties))
        return tickets

    def is_market_open(self, symbol: Any) -> bool:
        """True in the symbol's regular hours."""
        security = self._engine.securities.get(symbol)
        if security is not None:
            return security.exchange.exchange_open
        known = self._known(symbol)
        hours = self._engine.entry_of(known).exchange_hours
        return hours.is_open_us(hours.time_zone.local(self._engine.clock.utc_us))

    def set_maximum_orders(self, maximum: int) -> None:
        """Set how many orders a backtest may send."""
        self._engine.max_orders = int(maximum)
