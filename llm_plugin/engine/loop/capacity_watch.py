"""Bars that the capacity waits for after a fill, held back until something depends on them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from llm_plugin.engine.base.enums import Resolution, SecurityType, TickType
from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.statistics import CapacityEstimate, MarketBar, bar_resolution
from llm_plugin.engine.statistics.capacity import SymbolCapacity

__all__ = ["CapacityWatch", "quote_for_capacity", "trade_for_capacity"]


def trade_for_capacity(bar: Any) -> MarketBar:
    """Return what the capacity needs of a trade bar."""
    return MarketBar(bar.exact("close"), to_decimal(bar.volume), bar_resolution(bar.period))


def quote_for_capacity(quote: Any, kind: SecurityType) -> MarketBar:
    """Return what the capacity needs of a quote bar."""
    sizes = to_decimal(quote.last_bid_size), to_decimal(quote.last_ask_size)
    return MarketBar.of_quote(quote.exact("close"), *sizes, kind, bar_resolution(quote.period))


class _Watch:
    """A symbol whose window after a fill is open, and the stream that has its bars."""

    __slots__ = ("_emits", "_multiplier", "_place", "_rate", "_resolution", "_span", "_stream", "_traded", "item")

    def __init__(self, item: SymbolCapacity, stream: Any, security: Any, back: int) -> None:
        self.item, self._stream = item, stream
        self._rate, self._multiplier = security.quote_currency.exact_rate, security.symbol_properties.exact_multiplier
        self._emits, _, place = stream.points_ahead
        self._place = place - back
        self._traded = stream.config.tick_type == TickType.TRADE
        # The length of the last bar, and what it counts as.
        self._span, self._resolution = -1, Resolution.TICK

    def follow(self, before_us: int) -> bool:
        """Take the bars before a time; return whether the window is over."""
        emits, stream, place = self._emits, self._stream, self._place
        kind = stream.security.type
        while place < len(emits) and emits[place] < before_us:
            first, end = stream.rows_between(place, place + 1)
            if first < end:
                bar = self._trade(first) if self._traded else quote_for_capacity(stream.bar(first), kind)
                if self.item.on_bar(emits[place], bar, self._rate, self._multiplier):
                    return True
            place += 1
        self._place = place
        return False

    def _trade(self, row: int) -> MarketBar:
        block = self._stream.block
        span = block.end_local[row] - block.start_local[row]
        if span != self._span:
            self._span, self._resolution = span, bar_resolution(timedelta(microseconds=span))
        return MarketBar(block.columns.decimal("close", row), to_decimal(block.volume[row]), self._resolution)


class CapacityWatch:
    """Takes the bars of what is watched: before a snapshot, before a fill and at the end.

    Args:
        core: The run.
        estimate: The run's estimate.
    """

    def __init__(self, core: EngineCore, estimate: CapacityEstimate) -> None:
        self._core, self._estimate = core, estimate
        self._watches: list[_Watch] = []

    @property
    def is_wanted(self) -> bool:
        """Whether bars are waited for that nobody holds back."""
        return bool(self._estimate.watched) and self._estimate.behind is None

    def begin(self, streams: list[Any], back: int = 0) -> None:
        """Begin with the streams' next points, if each symbol has its bars from one of them.

        Args:
            streams: The streams.
            back: How many points that have gone by are part of it.
        """
        estimate, watches = self._estimate, []
        for symbol, item in estimate.watched.items():
            security = self._core.securities.get(symbol)
            mine = [stream for stream in streams if stream.seen and stream.config.symbol == symbol]
            # Quotes count where there are no trades.
            found = [stream for stream in mine if stream.config.tick_type == TickType.TRADE] or mine
            if security is None or len(found) > 1 or security.quote_currency.legs:
                return
            watches += [_Watch(item, stream, security, back) for stream in found]
        if estimate.watched:
            self._watches, estimate.behind = watches, self.follow

    def follow(self, before_us: int) -> None:
        """Take the bars before a time."""
        watched, still = self._estimate.watched, []
        for watch in self._watches:
            symbol = watch.item.symbol
            if symbol not in watched:
                continue
            if watch.follow(before_us):
                del watched[symbol]
            else:
                still.append(watch)
        self._watches = still

    def end(self, before_us: int) -> None:
        """Take the bars before a time; those that follow are taken as they come."""
        if self._estimate.behind is not None:
            self._estimate.behind = None
            self.follow(before_us)
