"""Why an order is refused before it is sent, in LEAN's order."""

from __future__ import annotations

from datetime import timedelta

from llm_plugin.engine.base.enums import OrderResponseErrorCode as Code
from llm_plugin.engine.base.enums import OrderType, Resolution, SecurityType
from llm_plugin.engine.base.money import normalize
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.orders.order import MarketOnCloseOrder
from llm_plugin.engine.orders.tickets import SubmitOrderRequest
from llm_plugin.engine.securities.security import Security

__all__ = ["daily_only", "refusal", "too_late_for_close"]

_DAILY = Resolution.DAILY
_PAIRS = (SecurityType.FOREX, SecurityType.CRYPTO)
_ON_OPEN, _ON_CLOSE = OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE
# The code and the text of a refusal; None: it is not refused.
Refusal = tuple[Code, str] | None


def daily_only(security: Security) -> bool:
    daily = False
    for config in security.subscriptions:
        if not config.is_internal_feed:
            if config.resolution != _DAILY:
                return False
            daily = True
    return daily


def too_late_for_close(security: Security) -> bool:
    buffer: timedelta = MarketOnCloseOrder.submission_time_buffer
    local = security.exchange.local_us
    return local > security.exchange.hours.next_close_us(local) - int(buffer.total_seconds() * 1_000_000)


def refusal(core: EngineCore, security: Security | None, request: SubmitOrderRequest) -> Refusal:
    """Return the first reason, in LEAN's order, why a request is refused."""
    if core.is_warming_up:
        return Code.ALGORITHM_WARMING_UP, "This operation is not allowed in Initialize or during warm up"
    if security is None:
        text = f"{request.symbol.value} was never added to the algorithm: add it before ordering"
        return Code.MISSING_SECURITY, text
    quantity, lot = request.exact_quantity, security.symbol_properties.exact_lot
    if not quantity:
        return Code.ORDER_QUANTITY_ZERO, "Unable to submit order with id 0 that has zero quantity."
    if abs(quantity) < lot:
        text = f"Unable to submit order which quantity ({normalize(abs(quantity))}) is less than lot size ({lot})."
        return Code.ORDER_QUANTITY_LESS_THAN_LOT_SIZE, text
    found = _security_refusal(security, request.symbol.value)
    if found is None and request.order_type in (_ON_OPEN, _ON_CLOSE):
        return _timing_refusal(security, request.order_type)
    return found


def _security_refusal(security: Security, symbol: str) -> Refusal:
    if not security.is_tradable:
        return Code.NON_TRADABLE_SECURITY, f"The security with symbol '{symbol}' is marked as non-tradable."
    if not security.exact_price:
        text = f"{symbol}: The security does not have an accurate price as it has not yet received a bar of data."
        return Code.SECURITY_PRICE_ZERO, text
    if not security.quote_currency.exact_rate:
        text = f"{symbol}: requires {security.quote_currency.symbol} to have a non-zero conversion rate."
        return Code.CONVERSION_RATE_ZERO, text
    base = security.base_currency
    if base is not None and security.type in _PAIRS and not base.exact_rate:
        text = f"{symbol}: requires {base.symbol} to have a non-zero conversion rate."
        return Code.FOREX_CONVERSION_RATE_ZERO, text
    if not security.has_data:
        return Code.SECURITY_HAS_NO_DATA, f"There is no data for {symbol} yet."
    return None


def _timing_refusal(security: Security, kind: OrderType) -> Refusal:
    if security.exchange.hours.is_market_always_open:
        raise ValueError(f"{security.symbol} never closes: {kind} orders are impossible, use a market order")
    if kind == _ON_OPEN:
        if security.exchange.exchange_open and not daily_only(security):
            text = "Cannot submit a MarketOnOpen order while the market is open."
            return Code.MARKET_ON_OPEN_NOT_ALLOWED_DURING_REGULAR_HOURS, text
    elif too_late_for_close(security):
        buffer = MarketOnCloseOrder.submission_time_buffer
        text = f"MarketOnClose orders must be placed at least {buffer} before market close."
        return Code.MARKET_ON_CLOSE_ORDER_TOO_LATE, text
    return None
