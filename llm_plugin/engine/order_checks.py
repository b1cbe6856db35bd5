"""Why an order is refused before it is sent, in LEAN's order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.enums import OrderResponseErrorCode as Code
from llm_plugin.engine.enums import OrderType, Resolution, SecurityType
from llm_plugin.engine.money import normalize
from llm_plugin.engine.orders import MarketOnCloseOrder
from llm_plugin.engine.securities import Security
from llm_plugin.engine.tickets import SubmitOrderRequest

__all__ = []


def daily_only(security: Security) -> bool:
    configs = [config for config in security.subscriptions if not config.is_internal_feed]
    return bool(configs) and all(config.resolution == Resolution.DAILY for config in configs)


def too_late_for_close(security: Security) -> bool:
    buffer: timedelta = MarketOnCloseOrder.submission_time_buffer
    local = security.exchange.local_us
    return local > security.exchange.hours.next_close_us(local) - int(buffer.total_seconds() * 1_000_000)


def refusals(core: EngineCore, security: Security | None, request: SubmitOrderRequest) -> Iterable[tuple[Code, str]]:
    """Yield why a request is refused, in LEAN's order."""
    symbol, quantity = request.symbol.value, request.exact_quantity
    if core.is_warming_up:
        yield Code.ALGORITHM_WARMING_UP, "This operation is not allowed in Initialize or during warm up"
    if security is None:
        yield Code.MISSING_SECURITY, f"{symbol} was never added to the algorithm: add it before ordering"
        return
    if quantity == 0:
        yield Code.ORDER_QUANTITY_ZERO, "Unable to submit order with id 0 that has zero quantity."
    lot = security.symbol_properties.exact_lot
    if abs(quantity) < lot:
        text = f"Unable to submit order which quantity ({normalize(abs(quantity))}) is less than lot size ({lot})."
        yield Code.ORDER_QUANTITY_LESS_THAN_LOT_SIZE, text
    if not security.is_tradable:
        yield Code.NON_TRADABLE_SECURITY, f"The security with symbol '{symbol}' is marked as non-tradable."
    if security.exact_price == 0:
        text = f"{symbol}: The security does not have an accurate price as it has not yet received a bar of data."
        yield Code.SECURITY_PRICE_ZERO, text
    if security.quote_currency.exact_rate == 0:
        text = f"{symbol}: requires {security.quote_currency.symbol} to have a non-zero conversion rate."
        yield Code.CONVERSION_RATE_ZERO, text
    base = security.base_currency
    if security.type in (SecurityType.FOREX, SecurityType.CRYPTO) and base is not None and base.exact_rate == 0:
        text = f"{symbol}: requires {base.symbol} to have a non-zero conversion rate."
        yield Code.FOREX_CONVERSION_RATE_ZERO, text
    if not security.has_data:
        yield Code.SECURITY_HAS_NO_DATA, f"There is no data for {symbol} yet."
    yield from _timing_refusals(security, request)


def _timing_refusals(security: Security, request: SubmitOrderRequest) -> Iterable[tuple[Code, str]]:
    kind, hours = request.order_type, security.exchange.hours
    if kind not in (OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE):
        return
    if hours.is_market_always_open:
        raise ValueError(f"{security.symbol} never closes: {kind} orders are impossible, use a market order")
    if kind == OrderType.MARKET_ON_OPEN:
        if security.exchange.exchange_open and not daily_only(security):
            text = "Cannot submit a MarketOnOpen order while the market is open."
            yield Code.MARKET_ON_OPEN_NOT_ALLOWED_DURING_REGULAR_HOURS, text
    elif too_late_for_close(security):
        buffer = MarketOnCloseOrder.submission_time_buffer
        text = f"MarketOnClose orders must be placed at least {buffer} before market close."
        yield Code.MARKET_ON_CLOSE_ORDER_TOO_LATE, text
