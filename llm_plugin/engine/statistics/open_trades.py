"""Open trades between their fills: extremes, drawdown, and the prices that change neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.base.enums import TradeDirection
from llm_plugin.engine.base.money import ZERO

__all__ = ["OpenPosition", "OpenTrade"]

_MARGIN = 1e-9
# Fewer prices than this are followed one by one; more decimals than this are not scaled to integers.
_FEW, _DIGITS = 8, 3
# Integers below it can be scaled and subtracted without a look.
_LARGE = 1 << 53
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

    def follow_many(self, values: NDArray[np.int64], digits: int, exact: Callable[[int], Decimal]) -> None:
        """Take prices one after another where one trade is open, as `follow` would, and leave what it leaves.

        Args:
            values: The prices times `10 ** digits`, in order.
            digits: Decimals of the integers.
            exact: Returns the price at a place.
        """
        item = self.open[0]
        entry, long, before = item.trade.entry_price, item.trade.direction is _LONG, item.best
        known = self.highest, self.lowest, entry, before, item.drawdown
        more = max(0, -digits - min(int(value.as_tuple().exponent) for value in known))
        if len(values) < _FEW or more > _DIGITS or values.dtype != np.int64 or int(np.abs(values).max()) >= _LARGE:
            for place in range(len(values)):
                self.follow(exact(place))
            return
        unit = digits + more
        highest, lowest, start, best, drawdown = (int(value.scaleb(unit)) for value in known)
        prices = values * 10**more
        place = int(prices.argmax())
        if prices[place] > highest:
            self.highest = exact(place)
        place = int(prices.argmin())
        if prices[place] < lowest:
            self.lowest = exact(place)
        profits = prices - start if long else start - prices
        tops = np.maximum(np.maximum.accumulate(profits), best)
        falls = tops - profits

        def profit(place: int) -> Decimal:
            price = exact(place)
            return Decimal(price - entry if long else entry - price)

        def top(end: int) -> Decimal:
            """The best so far, as the last price that made it has it."""
            equal = np.flatnonzero(profits[: end + 1] == tops[end])
            return profit(int(equal[-1])) if len(equal) else before

        place = int(falls.argmax())
        if falls[place] > drawdown:
            item.drawdown = top(place) - profit(place)
        item.best = top(len(prices) - 1)
        self.settle()
