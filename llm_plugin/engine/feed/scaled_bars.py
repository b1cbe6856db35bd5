"""Bars that were multiplied by a split's factor; their prices stay exact."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.data.bars import Bar, QuoteBar, TradeBar

__all__ = ["ScaledQuoteBar", "ScaledTradeBar", "scaled"]

_PRICES = ("open", "high", "low", "close")


class ScaledTradeBar(TradeBar):
    """A trade bar after a split."""

    __slots__ = ("_exacts",)

    def __init__(self, bar: TradeBar, factor: Decimal) -> None:
        self._exacts = {name: bar.exact(name) * factor for name in _PRICES}
        super().__init__(bar.time, bar.symbol, period=bar.period, volume=bar.volume / float(factor))
        for name in _PRICES:
            setattr(self, name, float(self._exacts[name]))
        self.is_fill_forward = bar.is_fill_forward

    def exact(self, name: str = "close") -> Decimal:
        """Return a price as LEAN's decimal."""
        return self._exacts["close" if name in ("value", "price") else name]


class ScaledQuoteBar(QuoteBar):
    """A quote bar after a split."""

    __slots__ = ("_exacts",)

    def __init__(self, bar: QuoteBar, factor: Decimal) -> None:
        sides = {"bid": bar.bid, "ask": bar.ask}
        self._exacts = {
            f"{side}_{name}": bar.exact(f"{side}_{name}") * factor
            for side, prices in sides.items()
            if prices is not None
            for name in _PRICES
        }
        bid, ask = (self._side(side) for side in sides)
        sizes = bar.last_bid_size / float(factor), bar.last_ask_size / float(factor)
        super().__init__(bar.time, bar.symbol, bid, sizes[0], ask, sizes[1], bar.period)
        self.is_fill_forward = bar.is_fill_forward

    def _side(self, side: str) -> Bar | None:
        prices = [self._exacts.get(f"{side}_{name}") for name in _PRICES]
        return None if prices[0] is None else Bar(*(float(price) for price in prices if price is not None))

    def exact(self, name: str = "value") -> Decimal:
        """Return a mid price (`close`) or a side's (`bid_close`) as LEAN's decimal."""
        if name.startswith(("bid_", "ask_")):
            return self._exacts.get(name, ZERO)
        field = "close" if name in ("value", "price") else name
        sides = [self._exacts[key] for key in (f"bid_{field}", f"ask_{field}") if self._exacts.get(key)]
        return sum(sides, ZERO) / len(sides) if sides else ZERO


def scaled(data: Any, factor: Decimal) -> Any:
    """Return a bar as it looks after a split; other data as it is."""
    if isinstance(data, TradeBar):
        return ScaledTradeBar(data, factor)
    return ScaledQuoteBar(data, factor) if isinstance(data, QuoteBar) else data
