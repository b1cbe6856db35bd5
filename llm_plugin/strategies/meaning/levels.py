"""Stops and targets: the range of levels that fair solutions may hold, bar by bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_plugin.strategies.conditions.bars import Bars
from llm_plugin.strategies.conditions.evaluate import Evaluator
from llm_plugin.strategies.meaning.ledger import Spell, is_resting, to_us
from llm_plugin.strategies.requirements import Stop
from llm_plugin.strategies.trusted_run import TrustedOrder

__all__ = ["Levels", "levels_of", "protective_orders"]

Floats = NDArray[np.float64]
_TOLERANCE = 0.0006
_CERTAIN = 0.002
_CENT = 0.011


@dataclass(frozen=True)
class Levels:
    """Lowest and highest fair level of each bar of a spell, and on which side of it the position is closed.

    `side` is -1 where the close must fall to the level (a long's stop, a short's target), +1 where it must rise to it.
    """

    low: Floats
    high: Floats
    side: int
    begin: int

    def _slack(self, price: float) -> float:
        return _TOLERANCE * abs(price) + (_CENT if abs(price) > 5 else 0.0)

    def explains(self, order: TrustedOrder, price: float, at: int, evaluator: Evaluator) -> bool:
        """Whether an exit at bar `at` may come from this level."""
        place = at - self.begin
        if not 0 <= place < len(self.low):
            return False
        fields = evaluator.bars.fields
        low, high = self.low[place], self.high[place]
        near, far = (high, low) if self.side < 0 else (low, high)
        extreme = fields["low" if self.side < 0 else "high"][at]
        if not self._beyond(float(extreme), near):
            return False
        if not is_resting(order):
            return True
        # A gap is filled beyond the level; LEAN's trailing stops fill at the close of the bar that reached it.
        gap = self._beyond(float(fields["open"][at]), far) or abs(price - float(fields["close"][at])) <= self._slack(
            price
        )
        past = (price - far) * self.side > self._slack(far)
        return self._beyond(price, near) and (gap or not past)

    def _beyond(self, price: float, level: float) -> bool:
        """Whether a price is at the level or beyond it, with some slack."""
        return (price - level) * self.side >= -self._slack(level)

    def certain_at(self, closes: Floats) -> NDArray[np.bool_]:
        """Return on which bars of the spell the close is clearly beyond every fair level."""
        far = self.low if self.side < 0 else self.high
        part = closes[self.begin : self.begin + len(far)]
        return (part - far) * self.side > _CERTAIN * np.abs(far)

    def holds(self, price: float) -> bool:
        """Whether an order's price is within the levels of any bar."""
        slack = self._slack(price)
        return bool(np.any((self.low - slack <= price) & (price <= self.high + slack)))

    def text(self, at: int) -> str:
        """Return the level at a bar."""
        place = min(max(at - self.begin, 0), len(self.low) - 1)
        low, high = self.low[place], self.high[place]
        return f"{low:.6g}" if high - low <= self._slack(high) else f"{low:.6g} to {high:.6g}"


def levels_of(wanted: Stop, spell: Spell, evaluator: Evaluator, end: int, *, target: bool) -> Levels | None:
    """Return the levels of a spell from the bar of its decision to bar `end`; None where they cannot be known."""
    begin = max(spell.decided, 0)
    if end < begin:
        return None
    bars = evaluator.bars
    rows = slice(begin, end + 1)
    count = end + 1 - begin
    direction = spell.direction
    sign = direction if target else -direction
    references = [spell.price, float(bars.close[begin])]
    trailing = wanted.kind.startswith("trailing")
    bases = [np.full(count, reference) for reference in references]
    if trailing:
        names = ("close", "high" if direction > 0 else "low")
        bases = [_best(bars.fields[name][rows], spell, direction) for name in names]
        # A level that is checked while the bar runs knows the best price before it only.
        bases += [np.concatenate((base[:1], base[:-1])) for base in bases]
    distances = _distances(wanted, evaluator, rows, begin, bases)
    if distances is None:
        return None
    levels = [base + sign * distance for base, distance in distances]
    return Levels(np.minimum.reduce(levels), np.maximum.reduce(levels), sign, begin)


def protective_orders(
    spell: Spell, orders: Sequence[TrustedOrder], bars: Bars, name: str
) -> list[tuple[TrustedOrder, float]]:
    """Return a spell's stop orders, or its limit orders at a target, with their prices."""
    until = spell.closed_us if spell.closed_us is not None else int(bars.ends_us[-1])
    if name == "target":  # later limit orders may be exits by another rule
        until = min(until, int(bars.ends_us[min(bars.index_at(spell.filled_us) + 1, len(bars) - 1)]))
    opened, found = to_us(spell.opened_by.created_utc), []
    for order in orders:
        stops = order.kind == "stop_market"
        price = order.stop_price if stops else order.limit_price
        if price is None or order is spell.opened_by or order.kind not in ("stop_market", "limit"):
            continue
        if stops == (name == "stop") and order.quantity * spell.direction < 0:
            if opened <= to_us(order.created_utc) < until:
                found.append((order, price))
    return found


def _best(prices: Floats, spell: Spell, direction: int) -> Floats:
    known = prices.copy()
    known[0] = spell.price
    return np.maximum.accumulate(known) if direction > 0 else np.minimum.accumulate(known)


def _distances(
    wanted: Stop, evaluator: Evaluator, rows: slice, begin: int, bases: list[Floats]
) -> list[tuple[Floats, Floats]] | None:
    if wanted.kind in ("percent", "trailing"):
        return [(base, base * wanted.value / 100) for base in bases]
    if wanted.kind == "points":
        return [(base, np.full(len(base), wanted.value)) for base in bases]
    series = evaluator.values(f"atr({wanted.period})")
    found = []
    for values in series:
        now, first = values[rows], values[begin : begin + 2]
        options = [now, *(np.full(len(now), value) for value in first)]
        found += [(base, wanted.value * option) for base in bases for option in options if not np.isnan(option).any()]
    return found or None
