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
    # Prices strictly between these change no figure of the position; None: to be found.
    _quiet: tuple[float, float] | None = None

    def settle(self) -> None:
        """Forget which prices change nothing: the figures have changed."""
        self._quiet = None

    @property
    def quiet(self) -> tuple[float, float]:
        """Prices strictly between these change no figure; there is a margin for the rounding of floats."""
        if self._quiet is None:
            self._quiet = self._between()
        return self._quiet

    def _between(self) -> tuple[float, float]:
        low, high = self.lowest, self.highest
        for item in self.open:
            entry, best, worst = item.trade.entry_price, item.best, item.best - item.drawdown
            if item.trade.direction is _LONG:
                low, high = max(low, entry + worst), min(high, entry + best)
            else:
                low, high = max(low, entry - best), min(high, entry - worst)
        margin = _MARGIN * float(abs(self.highest))
        return float(low) + margin, float(high) - margin

    def turn(self, opened: OpenTrade, price: Decimal) -> None:
        """Start anew with one trade at a price."""
        self.open = [opened]
        self.lowest = self.highest = price
        self._quiet = None

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
        self._quiet = None

    def follow_many(self, values: Sequence[int], digits: int, exact: Callable[[int], Decimal]) -> None:
        """Take prices one after another where one trade is open, as `follow` would, and leave what it leaves.

        Args:
            values: The prices times `10 ** digits`, in order.
            digits: Decimals of the integers.
            exact: Returns the price at a place.
        """
        low, high, item = min(values), max(values), self.open[0]
        entry: Decimal = item.trade.entry_price
        if self.highest is entry is self.lowest and item.best is item.drawdown is ZERO:
            # A fresh trade: no price is quiet, and there is one figure to be put into units.
            unit, (start,) = _whole(digits, entry)
            highest, lowest, best, drawdown = start, start, 0, 0
        else:
            quiet, scale = self.quiet, 10.0**digits
            if quiet[0] * scale < low and high < quiet[1] * scale:
                return
            known = entry, self.highest, self.lowest, item.best, item.drawdown
            unit, (start, highest, lowest, best, drawdown) = _whole(digits, *known)
        step = 10 ** (unit - digits)
        if high * step > highest:
            self.highest = exact(values.index(high))
        if low * step < lowest:
            self.lowest = exact(values.index(low))
        long = item.trade.direction is _LONG
        if not long:
            values, start = [-value for value in values], -start
        # From which value on the best profit is reached, and below which one it falls the most; how far it fell.
        reach = start + best
        limit, fall_below, fallen = -(-reach // step), -((drawdown - reach) // step), drawdown // step
        # Where the best profit was made, and between which places it fell the most; -1: before.
        top, fell = -1, None
        for place, value in enumerate(values):
            if value >= limit:
                limit, top, fall_below = value, place, value - fallen
            elif value < fall_below:
                fall_below, fell = value, (top, place)
                fallen = limit - value if top >= 0 else (reach - value * step) // step

        def profit_at(place: int) -> Decimal:
            if place < 0:
                return before
            price = exact(place)
            return price - entry if long else entry - price

        before = item.best
        if fell is not None:
            item.drawdown = profit_at(fell[0]) - profit_at(fell[1])
        item.best = profit_at(top)
        self._quiet = None


def _whole(digits: int, *values: Decimal) -> tuple[int, list[int]]:
    """Return values as whole units, and the decimals of a unit: those given, or more where the values need them."""
    unit = max(digits, -min([int(value.as_tuple().exponent) for value in values]))
    return unit, [int(value.scaleb(unit)) for value in values]
