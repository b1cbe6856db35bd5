"""Open trades between their fills: extremes, drawdown, and the prices that change neither."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import TradeDirection
from llm_plugin.engine.base.money import ZERO

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

    def turn(self, opened: OpenTrade, price: Decimal) -> None:
        """Start anew with one trade at a price; no price is quiet yet."""
        self.open = [opened]
        self.lowest = self.highest = price
        self.quiet_low = self.quiet_high = 0.0

    def observe(self, price: Decimal) -> None:
        """Take a new price into account."""
        if len(self.open) == 1:
            self.follow(price)
            return
        if price > self.highest:
            self.highest = price
        elif price < self.lowest:
            self.lowest = price
        for item in self.open:
            long = item.trade.direction is _LONG
            item.observe(price - item.trade.entry_price if long else item.trade.entry_price - price)
        self.settle()

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

    def follow_many(self, values: Sequence[int], digits: int, exact: Callable[[int], Decimal]) -> None:
        """Take prices one after another where one trade is open, as `follow` would, and leave what it leaves.

        Args:
            values: The prices times `10 ** digits`, in order.
            digits: Decimals of the integers.
            exact: Returns the price at a place.
        """
        low, high, scale = min(values), max(values), 10.0**digits
        if self.quiet_low * scale < low and high < self.quiet_high * scale:
            return
        item = self.open[0]
        entry: Decimal = item.trade.entry_price
        long = item.trade.direction is _LONG
        known = self.highest, self.lowest, entry, item.best, item.drawdown
        unit = max(digits, -min([int(value.as_tuple().exponent) for value in known]))
        highest, lowest, start, best, drawdown = [int(value.scaleb(unit)) for value in known]
        step = 10 ** (unit - digits)
        if high * step > highest:
            self.highest = exact(values.index(high))
        if low * step < lowest:
            self.lowest = exact(values.index(low))
        if not long:
            step, start = -step, -start
        # Where the best profit was made, and between which places it fell the most; -1: before.
        top, fell = -1, None
        for place, value in enumerate(values):
            profit = value * step - start
            if profit >= best:
                best, top = profit, place
            elif best - profit > drawdown:
                drawdown, fell = best - profit, (top, place)

        def profit_at(place: int) -> Decimal:
            if place < 0:
                return before
            price = exact(place)
            return price - entry if long else entry - price

        before = item.best
        if fell is not None:
            item.drawdown = profit_at(fell[0]) - profit_at(fell[1])
        item.best = profit_at(top)
        self.settle()
