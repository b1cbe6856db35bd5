"""Fill models: which prices an order sees, and which rule of `fill_rules` decides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import OrderDirection, OrderStatus, OrderType, Resolution, SecurityType
from llm_plugin.engine.base.enums import resolution_span as span_of
from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.base.pairs import Pair
from llm_plugin.engine.base.zones import DAY_US, HOUR_US
from llm_plugin.engine.data.bars import QuoteBar, Tick, TradeBar
from llm_plugin.engine.models import fill_rules
from llm_plugin.engine.models.fill_prices import BarPrices, Prices
from llm_plugin.engine.models.slippage import slippage_of
from llm_plugin.engine.orders.combos import combined_price
from llm_plugin.engine.orders.order import Order, OrderEvent

__all__ = [
    "Fill",
    "FillModel",
    "FillModelParameters",
    "ImmediateFillModel",
    "LatestPriceFillModel",
    "Prices",
    "events_of",
]


class FillModelParameters(LeanObject):
    """What a fill model is given."""

    def __init__(
        self,
        security: Any,
        order: Order,
        config_provider: Any = None,
        stale_price_time_span: timedelta = timedelta(hours=1),
        securities_for_orders: Any = None,
    ) -> None:
        self.security = security
        self.order = order
        self.config_provider = config_provider
        self.stale_price_time_span = stale_price_time_span
        self.securities_for_orders = securities_for_orders


class Fill(LeanObject):
    """The events of one look at an order."""

    def __init__(self, *events: Any) -> None:
        flat: list[OrderEvent] = []
        for event in events:
            flat.extend(event if isinstance(event, list | tuple) else [event])
        self.events = flat

    def __iter__(self) -> Any:
        return iter(self.events)


_METHODS = {
    OrderType.MARKET: "market_fill",
    OrderType.LIMIT: "limit_fill",
    OrderType.STOP_MARKET: "stop_market_fill",
    OrderType.STOP_LIMIT: "stop_limit_fill",
    OrderType.TRAILING_STOP: "trailing_stop_fill",
    OrderType.LIMIT_IF_TOUCHED: "limit_if_touched_fill",
    OrderType.MARKET_ON_OPEN: "market_on_open_fill",
    OrderType.MARKET_ON_CLOSE: "market_on_close_fill",
}
_EQUITY, _SELL = SecurityType.EQUITY, OrderDirection.SELL
_FILLED, _CANCELED = OrderStatus.FILLED, OrderStatus.CANCELED
_COMBO_METHODS = {
    OrderType.COMBO_MARKET: "combo_market_fill",
    OrderType.COMBO_LIMIT: "combo_limit_fill",
    OrderType.COMBO_LEG_LIMIT: "combo_leg_limit_fill",
}


class SecuritiesForOrders(dict[Any, Any]):
    """Security by order; goes through pairs with `key` and `value`, as .NET's dictionaries do."""

    def __iter__(self) -> Any:
        return iter([Pair(order, self[order]) for order in self.keys()])

    count = Count = property(len)


class FillModel(LeanObject):
    """LEAN's base fill model; user models derive from it and override `market_fill`, `limit_fill`, ..."""

    def __init__(self) -> None:
        self.parameters: FillModelParameters | None = None

    def fill(self, parameters: FillModelParameters) -> Fill:
        """Try to fill an order against the last data."""
        return Fill(self.look(parameters))

    def look(self, parameters: FillModelParameters) -> Any:
        """Return the event of a look at an order; the events of a combo."""
        self.parameters = parameters
        order = parameters.order
        name = _METHODS.get(order.type)
        if name is None:
            return getattr(self, _COMBO_METHODS[order.type])(order, parameters)
        return getattr(self, name)(parameters.security, order)

    # What user models may call or override.
    def get_prices(self, asset: Any, direction: OrderDirection) -> Prices:
        """Return tick, quote side, trade or cached prices, in this order."""
        cache = asset.cache
        kinds = subscribed_types(asset)
        side = "bid" if direction == _SELL else "ask"
        tick = cache.tick
        if tick is not None and Tick in kinds:
            price = to_decimal(getattr(tick, f"{side}_price")) or to_decimal(tick.value)
            if price:
                at = tick._end_local
                return Prices(at, at, price, price, price, price, price)
        quote = cache.quote
        if quote is not None and QuoteBar in kinds and getattr(quote, side) is not None:
            return BarPrices(quote, f"{side}_")
        if cache.trade is not None and TradeBar in kinds:
            return BarPrices(cache.trade)
        last, price = cache.last, asset.exact_price
        if last is None:
            return Prices(-DAY_US, -DAY_US, price, price, price, price, price)
        return Prices(last._start_local, last._end_local, price, price, price, price, price)

    def is_exchange_open(self, asset: Any, is_extended_market_hours: bool = False) -> bool:
        """Return whether the exchange is open now, or the current bar overlaps its hours."""
        hours = asset.exchange.hours
        local = asset.exchange.local_us
        if hours.is_open_us(local, is_extended_market_hours):
            return True
        bar = asset.cache.last
        if bar is None:
            return False
        start, end = bar._start_local, bar._end_local
        on_bar = local // DAY_US == end // DAY_US if end - start > HOUR_US else local <= end
        return bool(on_bar and hours.overlaps_us(start, end, is_extended_market_hours))

    def market_fill(self, asset: Any, order: Order) -> OrderEvent:
        """Fill at the current price of the side."""
        event = self._event(asset, order)
        if order.status == _CANCELED or not self.is_exchange_open(asset, False):
            return event
        prices = self.get_prices(asset, order.direction)
        ended = utc_of(asset, prices.end_us)
        if ended + self._stale_us() < order.time_us:
            if wait_for_fresh(asset, ended, order.time_us):
                return event
            event.message = f"Warning: fill at stale price ({prices.end_time})"
        price = prices.current
        if order.time_us <= utc_of(asset, prices.start_us) and prices.open != 0 and _coarse_only(asset):
            price = prices.open
        slip = slippage_of(asset, order)
        return self._filled(event, order, fill_rules.market_fill(order.exact_quantity > 0, price, slip))

    def limit_fill(self, asset: Any, order: Any) -> OrderEvent:
        """Fill at the limit or worse side of the bar."""
        return self._priced(
            asset,
            order,
            asset.is_extended_market_hours,
            lambda p: fill_rules.limit_fill(buys(order), order._limit_price, p.high, p.low),
        )

    def stop_market_fill(self, asset: Any, order: Any) -> OrderEvent:
        """Fill at the worse of stop and close once the stop is crossed."""

        def rule(p: Prices) -> Decimal | None:
            slip = slippage_of(asset, order)
            return fill_rules.stop_market_fill(buys(order), order._stop_price, p.high, p.low, p.close, slip)

        return self._priced(asset, order, False, rule)

    def stop_limit_fill(self, asset: Any, order: Any) -> OrderEvent:
        """Trigger at the stop, then fill on the close's side of the limit."""

        def rule(p: Prices) -> Decimal | None:
            order.stop_triggered, price = fill_rules.stop_limit_fill(
                buys(order), order.stop_triggered, order._stop_price, order._limit_price, p.high, p.low, p.current
            )
            return price

        return self._priced(asset, order, asset.is_extended_market_hours, rule)

    def trailing_stop_fill(self, asset: Any, order: Any) -> OrderEvent:
        """Fill at the stop, or let the stop follow the bar."""

        def rule(p: Prices) -> Decimal | None:
            slip = slippage_of(asset, order)
            buy = buys(order)
            price = fill_rules.trailing_stop_fill(buy, order._stop_price, p.high, p.low, p.current, slip)
            if price is None:
                order.stop_price = fill_rules.updated_trailing_stop(
                    buy, order._stop_price, p.high, p.low, order._trailing_amount, order.trailing_as_percentage
                )
            return price

        return self._priced(asset, order, False, rule)

    def limit_if_touched_fill(self, asset: Any, order: Any) -> OrderEvent:
        """Trigger on trades only; then fill at the limit."""
        event = self._event(asset, order)
        if order.status == _CANCELED or not self.is_exchange_open(asset, asset.is_extended_market_hours):
            return event
        bar = asset.cache.trade
        if bar is None or TradeBar not in subscribed_types(asset) or utc_of(asset, bar._end_local) <= order.time_us:
            return event
        quote = asset.exact_bid if buys(order) else asset.exact_ask
        order.trigger_touched, price = fill_rules.limit_if_touched_fill(
            buys(order),
            order.trigger_touched,
            order._trigger_price,
            order._limit_price,
            bar.exact("high"),
            bar.exact("low"),
            quote,
        )
        return self._filled(event, order, price)

    def market_on_open_fill(self, asset: Any, order: Order) -> OrderEvent:
        """Fill at the open of the first bar after the order, not on its own day."""
        event = self._event(asset, order)
        bar = asset.cache.last
        hours = asset.exchange.hours
        if hours.is_market_always_open:
            raise ValueError(f"{asset.symbol} never closes: a MarketOnOpen order cannot fill")
        sent = hours.time_zone.local(order.time_us)
        if order.status == _CANCELED or bar is None or sent >= bar._end_local:
            return event
        if hours.is_open_us(sent) and sent // DAY_US == asset.exchange.local_us // DAY_US:
            return event
        if not self.is_exchange_open(asset, False):
            return event
        prices = self.get_prices(asset, order.direction)
        return self._filled(event, order, fill_rules.market_fill(buys(order), prices.open, slippage_of(asset, order)))

    def market_on_close_fill(self, asset: Any, order: Order) -> OrderEvent:
        """Fill at the close of the bar at the next close."""
        event = self._event(asset, order)
        hours = asset.exchange.hours
        if hours.is_market_always_open:
            raise ValueError(f"{asset.symbol} never closes: a MarketOnClose order cannot fill")
        if order.status == _CANCELED:
            return event
        if asset.exchange.local_us < hours.next_close_us(hours.time_zone.local(order.time_us)):
            return event
        prices = self.get_prices(asset, order.direction)
        return self._filled(event, order, fill_rules.market_fill(buys(order), prices.close, slippage_of(asset, order)))

    # Combos: all legs or none.
    def combo_market_fill(self, order: Order, parameters: FillModelParameters) -> list[OrderEvent]:
        """Fill all legs at their current prices."""
        return self._legs(parameters, lambda asset, leg: FillModel.market_fill(self, asset, leg))

    def combo_leg_limit_fill(self, order: Order, parameters: FillModelParameters) -> list[OrderEvent]:
        """Fill all legs once each can trade at its own limit."""
        return self._legs(parameters, lambda asset, leg: FillModel.limit_fill(self, asset, leg))

    def combo_limit_fill(self, order: Order, parameters: FillModelParameters) -> list[OrderEvent]:
        """Fill all legs, at the lows of a buy or the highs of a sale, once their sum is better than the limit."""
        legs, total = [], Decimal(0)
        for leg, asset in _by_id(parameters):
            prices = self.get_prices(asset, leg.direction)
            if utc_of(asset, prices.end_us) < leg.time_us:
                return []
            legs.append((leg, asset, prices))
            total += combined_price(leg, asset, prices.low, prices.high)
        group: Any = order.group_order_manager
        buys_all = group.direction == OrderDirection.BUY
        if not (total < group.exact_limit if buys_all else total > group.exact_limit):
            return []
        return [
            self._filled(self._event(asset, leg), leg, prices.low if buys_all else prices.high)
            for leg, asset, prices in legs
        ]

    def _legs(self, parameters: FillModelParameters, fill: Callable[[Any, Any], OrderEvent]) -> list[OrderEvent]:
        events = []
        for leg, asset in _by_id(parameters):
            event = fill(asset, leg)
            if event.status != _FILLED:
                return []
            events.append(event)
        return events

    # Shared pieces.
    def _stale_us(self) -> int:
        span = self.parameters.stale_price_time_span if self.parameters is not None else timedelta(hours=1)
        return int(span.total_seconds() * 1_000_000)

    def _event(self, asset: Any, order: Order) -> OrderEvent:
        return OrderEvent(order, asset.clock.utc_time)

    def _filled(self, event: OrderEvent, order: Order, price: Decimal | None) -> OrderEvent:
        if price is not None:
            event.status = _FILLED
            event.exact_fill_price, event.exact_fill_quantity = to_decimal(price), order.exact_quantity
        return event

    def _priced(self, asset: Any, order: Order, extended: bool, rule: Callable[[Prices], Decimal | None]) -> OrderEvent:
        event = self._event(asset, order)
        if order.status == _CANCELED or not self.is_exchange_open(asset, extended):
            return event
        prices = self.get_prices(asset, order.direction)
        if utc_of(asset, prices.end_us) <= order.time_us:
            return event
        return self._filled(event, order, rule(prices))


def events_of(model: Any, parameters: FillModelParameters) -> list[Any]:
    """Ask a fill model, which may be the user's, about an order.

    Raises:
        ValueError: The model has no `fill`.
    """
    if isinstance(model, FillModel) and type(model).fill is FillModel.fill:
        found = model.look(parameters)
        return Fill(found).events if isinstance(found, list | tuple) else [found]
    fill = find_member(model, "fill")
    if fill is None:
        raise ValueError(f"{type(model).__name__} has no fill method")
    result = fill(parameters)
    return list(getattr(result, "events", [result]))


def _by_id(parameters: FillModelParameters) -> list[tuple[Any, Any]]:
    pairs = [(pair.key, pair.value) for pair in parameters.securities_for_orders]
    return sorted(pairs, key=lambda pair: pair[0].id)


ImmediateFillModel = FillModel


class LatestPriceFillModel(FillModel):
    """The newest of trade and quote (used for crypto by some brokerages)."""

    def get_prices(self, asset: Any, direction: OrderDirection) -> Prices:
        """Return the newer of the two bars; the quote wins a draw."""
        trade, quote = asset.cache.trade, asset.cache.quote
        if trade is not None and quote is not None and trade.end_time > quote.end_time:
            return BarPrices(trade)
        return super().get_prices(asset, direction)


def buys(order: Order) -> bool:
    return order.exact_quantity > 0


def utc_of(asset: Any, local_us: int) -> int:
    return asset.exchange.hours.time_zone.utc(local_us)  # type: ignore[no-any-return]


def subscribed_types(asset: Any) -> set[type]:
    internal = asset.type is not _EQUITY
    return {config.type for config in asset.subscriptions if internal or not config.is_internal_feed}


def _coarse_only(asset: Any) -> bool:
    configs = [c for c in asset.subscriptions if not c.is_internal_feed]
    return bool(configs) and all(c.resolution >= Resolution.HOUR for c in configs)


def wait_for_fresh(asset: Any, data_end_utc: int, order_utc: int) -> bool:
    if _coarse_only(asset):
        return True
    finest = min(config.resolution for config in asset.subscriptions)
    span = int(span_of(finest).total_seconds() * 1_000_000)
    return span > 0 and order_utc - data_end_utc > span
