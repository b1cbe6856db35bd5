"""LEAN's fill model for equities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import OrderStatus, TickType
from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.base.zones import DAY_US, HOUR_US, from_us
from llm_plugin.engine.data.bars import QuoteBar, Tick, TradeBar
from llm_plugin.engine.models import fill_rules
from llm_plugin.engine.models.equity_tick_fills import closing_price, opening_trade
from llm_plugin.engine.models.fills import FillModel, buys, subscribed_types, utc_of, wait_for_fresh
from llm_plugin.engine.models.slippage import slippage_of
from llm_plugin.engine.orders.order import Order, OrderEvent

__all__ = ["EquityFillModel"]


class EquityFillModel(FillModel):
    """LEAN's equity model: trade bars fill limits and stops (with gaps), quotes fill market orders."""

    def market_fill(self, asset: Any, order: Order) -> OrderEvent:
        """Fill at the best-effort quote."""
        event = self._event(asset, order)
        if order.status == OrderStatus.CANCELED or not self.is_exchange_open(asset, False):
            return event
        slip = slippage_of(asset, order)
        price, message, stale_end = self._best_effort(asset, order)
        if stale_end is not None and wait_for_fresh(asset, stale_end, order.time_us):
            return event
        event.message = message
        return self._filled(event, order, fill_rules.market_fill(order.exact_quantity > 0, price, slip))

    def limit_fill(self, asset: Any, order: Any) -> OrderEvent:
        """Fill at the limit or at a better open."""
        return self._on_trade_bar(
            asset,
            order,
            asset.is_extended_market_hours,
            lambda bar: fill_rules.equity_limit_fill(
                buys(order), order._limit_price, bar.exact("open"), bar.exact("high"), bar.exact("low")
            ),
        )

    def stop_market_fill(self, asset: Any, order: Any) -> OrderEvent:
        """Fill at the stop or at a worse open."""

        def rule(bar: TradeBar) -> Decimal | None:
            slip = slippage_of(asset, order)
            return fill_rules.equity_stop_market_fill(
                buys(order), order._stop_price, bar.exact("open"), bar.exact("high"), bar.exact("low"), slip
            )

        return self._on_trade_bar(asset, order, False, rule)

    def limit_if_touched_fill(self, asset: Any, order: Any) -> OrderEvent:
        """Trigger on the trade bar, fill on the quote."""

        def rule(bar: TradeBar) -> Decimal | None:
            quote = self._best_effort(asset, order)[0]
            order.trigger_touched, price = fill_rules.equity_limit_if_touched_fill(
                buys(order),
                order.trigger_touched,
                order._trigger_price,
                order._limit_price,
                bar.exact("high"),
                bar.exact("low"),
                quote,
            )
            return price

        return self._on_trade_bar(asset, order, asset.is_extended_market_hours, rule)

    def market_on_open_fill(self, asset: Any, order: Order) -> OrderEvent:
        """Fill at the open of the first regular trade bar formed after the order."""
        event = self._event(asset, order)
        hours = asset.exchange.hours
        sent = hours.time_zone.local(order.time_us)
        ended, price = -DAY_US, ZERO
        kinds = subscribed_types(asset)
        if Tick in kinds:
            found = opening_trade(asset)
            if found is None:
                return event
            ended, price = found
        elif TradeBar in kinds:
            bar = asset.cache.trade
            if bar is not None:
                start, ended = bar._start_local, bar._end_local
                if start < sent or (ended - start < HOUR_US and not hours.is_open_us(start)):
                    return event
                price = bar.exact("open")
        elif asset.cache.last is not None:
            ended = asset.cache.last._end_local
        if order.status == OrderStatus.CANCELED or sent >= ended:
            return event
        if (hours.is_open_us(sent) and sent // DAY_US == ended // DAY_US) or not self.is_exchange_open(asset, False):
            return event
        if price == 0:
            price, event.message, _ = self._best_effort(asset, order)
        return self._filled(event, order, fill_rules.market_fill(buys(order), price, slippage_of(asset, order)))

    def market_on_close_fill(self, asset: Any, order: Order) -> OrderEvent:
        """Fill at the last trade once the close has come."""
        event = self._event(asset, order)
        hours = asset.exchange.hours
        if order.status == OrderStatus.CANCELED:
            return event
        close = hours.next_close_us(hours.time_zone.local(order.time_us))
        if asset.exchange.local_us < close:
            return event
        kinds = subscribed_types(asset)
        price: Decimal | None = ZERO
        if Tick in kinds:
            price = closing_price(asset, close)
            if price is None:
                return event
        elif TradeBar in kinds and asset.cache.trade is not None:
            price = asset.cache.trade.exact("close")
        if not price:
            price, event.message, _ = self._best_effort(asset, order)
        return self._filled(event, order, fill_rules.market_fill(buys(order), price, slippage_of(asset, order)))

    def _on_trade_bar(
        self, asset: Any, order: Order, extended: bool, rule: Callable[[TradeBar], Decimal | None]
    ) -> OrderEvent:
        event = self._event(asset, order)
        if order.status == OrderStatus.CANCELED or not self.is_exchange_open(asset, extended):
            return event
        bar = _trade_bar(asset)
        if bar is None or utc_of(asset, bar._end_local) <= order.time_us:
            return event
        return self._filled(event, order, rule(bar))

    def _best_effort(self, asset: Any, order: Order) -> tuple[Decimal, str, int | None]:
        """Return (price, message, UTC end of the data if it is stale)."""
        buy = order.exact_quantity > 0
        oldest = order.time_us - self._stale_us()
        newest: tuple[int, Decimal, str] | None = None
        for kind, ended, price in self._candidates(asset, buy):
            message = f"fill with {kind} data of {from_us(ended)} UTC" if kind != "quote" else ""
            if ended >= oldest:
                return price, message, None
            if newest is None or ended > newest[0]:
                newest = (ended, price, f"Warning: stale {kind} data of {from_us(ended)} UTC")
        if newest is None:
            raise ValueError(f"{asset.symbol} has no market data to fill an order with")
        return newest[1], newest[2], newest[0]

    def _candidates(self, asset: Any, buy: bool) -> Iterator[tuple[str, int, Decimal]]:
        cache, kinds = asset.cache, subscribed_types(asset)
        side = "ask" if buy else "bid"
        if Tick in kinds:
            quotes = [t for t in cache.quote_ticks if getattr(t, f"{side}_price") > 0]
            if quotes:
                price = quotes[-1].exact(f"{side}_price")
                yield "quote", utc_of(asset, quotes[-1]._end_local), price
        if QuoteBar in kinds and cache.quote is not None:
            quote = cache.quote
            if quote is (cache.ask_source if buy else cache.bid_source):
                price = asset.exact_ask if buy else asset.exact_bid
            else:
                price = quote.exact(f"{side}_close") if getattr(quote, side) is not None else quote.exact("close")
            yield "quote", utc_of(asset, quote._end_local), price
        if Tick in kinds and cache.trade_ticks:
            trade = cache.trade_ticks[-1]
            yield "trade", utc_of(asset, trade._end_local), trade.exact("value")
        if TradeBar in kinds and cache.trade is not None:
            yield "trade", utc_of(asset, cache.trade._end_local), cache.trade.exact("close")


def _trade_bar(asset: Any) -> TradeBar | None:
    if Tick in subscribed_types(asset):
        ticks = [tick for tick in asset.cache.trade_ticks if tick.tick_type == TickType.TRADE]
        if not ticks:
            return None
        values = [tick.value for tick in ticks]
        first, last = ticks[0], ticks[-1]
        bar = TradeBar(first.time, asset.symbol, values[0], max(values), min(values), values[-1])
        bar.period = last.end_time - first.time
        return bar
    bar = asset.cache.trade
    return bar if TradeBar in subscribed_types(asset) else None
