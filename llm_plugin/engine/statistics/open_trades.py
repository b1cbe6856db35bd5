"""Open trades between their fills: extremes, drawdown, and the prices that change neither."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from llm_plugin.engine.enums import TradeDirection
from llm_plugin.engine.money import ZERO

__all__ = ["OpenPosition", "OpenTrade"]

_MARGIN = 1e-9
_LONG = TradeDirection.LONG


@dataclass
class OpenTrade:
    """A trade, its best profit a unit so far, and how far it fell from it."""

    trade: Any
    best: Decimal = ZERO
    drawdown: Decimal = ZERO

    def observe(self, profit: Decimal) -> None:
        """Take a profit a unit into account."""
        if profit >= self.best:
            self.best = profit
        else:
            self.drawdown = max(self.drawdown, self.best - profit)


@dataclass
class OpenPosition:
    """The open trades of a symbol, first in first out, and the extremes of the price since."""

    open: list[OpenTrade]
    lowest: Decimal
    highest: Decimal
    # Prices strictly between these change no figure of the position.
    quiet_low: float = 0.0
    quiet_high: float = 0.0

    def settle(self) -> None:
        """Find the prices that change nothing, with a margin for the rounding of floats."""
        low, high = self.lowest, self.highest
        for item in self.open:
            entry, best, worst = item.trade.entry_price, item.best, item.best - item.drawdown
            if item.trade.direction is _LONG:
                low, high = max(low, entry + worst), min(high, entry + best)
            else:
                low, high = max(low, entry - best), min(high, entry - worst)
        margin = _MARGIN * float(abs(self.highest))
        self.quiet_low, self.quiet_high = float(low) + margin, float(high) - margin

    def follow(self, price: Decimal) -> None:
        """Take a price where one trade is open: what `observe` and `settle` do, as far as it can have changed."""
        item = self.open[0]
        entry, long = item.trade.entry_price, item.trade.direction is _LONG
        if price > self.highest:
            self.highest = price
        elif price < self.lowest:
            self.lowest = price
        profit = price - entry if long else entry - price
        if profit >= item.best:
            item.best = profit
        elif item.best - profit > item.drawdown:
            item.drawdown = item.best - profit
        else:
            return
        worst = item.best - item.drawdown
        if long:
            low, high = max(self.lowest, entry + worst), min(self.highest, entry + item.best)
        else:
            low, high = max(self.lowest, entry - item.best), min(self.highest, entry - worst)
        margin = _MARGIN * float(abs(price))
        self.quiet_low, self.quiet_high = float(low) + margin, float(high) - margin
