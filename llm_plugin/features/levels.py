"""Price levels that a window cannot hold: swing highs and lows, trading days and weeks, candle shapes."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import Any

__all__ = ["Candles", "DayLevels", "SwingLevels"]

_NAN = math.nan
_WING_BARS = 3
_REMEMBERED = 12


class SwingLevels:
    """Swing highs and lows, known three bars after they happened, and the support and resistance among them."""

    def __init__(self) -> None:
        self.highs: list[float] = []
        self.lows: list[float] = []
        self.swing_highs: list[float] = []
        self.swing_lows: list[float] = []
        self.levels: list[float] = []
        self.high_age = -1
        self.low_age = -1

    def update(self, high: float, low: float) -> None:
        """Take the next bar; the bar three back becomes a swing when it stands above (below) both its sides."""
        highs, lows = self.highs, self.lows
        highs.append(high)
        lows.append(low)
        if self.high_age >= 0:
            self.high_age += 1
        if self.low_age >= 0:
            self.low_age += 1
        if len(highs) <= 2 * _WING_BARS:
            return
        if len(highs) > 2 * _WING_BARS + 1:
            del highs[0], lows[0]
        top, bottom = highs[_WING_BARS], lows[_WING_BARS]
        if top > highs[0] and top > highs[1] and top > highs[2] and top >= max(highs[4:]):
            self.swing_highs = [*self.swing_highs[1 - _REMEMBERED :], top]
            self.high_age = _WING_BARS
            self.levels = sorted(self.swing_highs + self.swing_lows)
        if bottom < lows[0] and bottom < lows[1] and bottom < lows[2] and bottom <= min(lows[4:]):
            self.swing_lows = [*self.swing_lows[1 - _REMEMBERED :], bottom]
            self.low_age = _WING_BARS
            self.levels = sorted(self.swing_highs + self.swing_lows)

    def features(self, close: float, atr: float) -> list[float]:
        """Return the 12 swing and support/resistance features in catalogue order; NaN where no level is known."""
        highs, lows, levels = self.swing_highs, self.swing_lows, self.levels
        at = bisect_left(levels, close)
        up = levels[at] if at < len(levels) else _NAN
        down = up if up == close else levels[at - 1] if at else _NAN
        near = atr / 2
        return [
            (highs[-1] - close) / atr if highs else _NAN,
            (close - lows[-1]) / atr if lows else _NAN,
            min(1.0, self.high_age / 100) if highs else _NAN,
            min(1.0, self.low_age / 100) if lows else _NAN,
            (highs[-1] - highs[-2]) / atr if len(highs) > 1 else _NAN,
            (lows[-1] - lows[-2]) / atr if len(lows) > 1 else _NAN,
            (close - down) / atr,
            (up - close) / atr,
            (close - down) / close,
            (up - close) / close,
            self._touches(down, near),
            self._touches(up, near),
        ]

    def _touches(self, level: float, near: float) -> float:
        if level != level:
            return _NAN
        return min(1.0, (bisect_right(self.levels, level + near) - bisect_left(self.levels, level - near)) / 5)

    def rescale(self, factor: float) -> None:
        """Multiply all prices by a factor."""
        for name in ("highs", "lows", "swing_highs", "swing_lows", "levels"):
            setattr(self, name, [price * factor for price in getattr(self, name)])


class DayLevels:
    """Open, high, low, close and volume-weighted price of the trading day and week, and the day before."""

    def __init__(self) -> None:
        self.day = -(10**9)
        self.week = -(10**9)
        self.open = self.high = self.low = self.close = _NAN
        self.before_high = self.before_low = self.before_close = _NAN
        self.week_open = _NAN
        self.money = 0.0
        self.volume = 0.0

    def update(self, day: int, bar: tuple[float, float, float, float], volume: float) -> None:
        """Take the next bar (mid open, high, low, close) of a trading day."""
        opened, high, low, close = bar
        if day != self.day:
            self.before_high, self.before_low, self.before_close = self.high, self.low, self.close
            self.day, self.open, self.high, self.low = day, opened, high, low
            self.money = self.volume = 0.0
            week = (day + 3) // 7
            if week != self.week:
                self.week, self.week_open = week, opened
        else:
            self.high = max(self.high, high)
            self.low = min(self.low, low)
        self.close = close
        self.money += (high + low + close) / 3 * volume
        self.volume += volume

    def features(self, close: float, atr: float) -> list[float]:
        """Return the 10 day and week features in catalogue order."""
        pivot = (self.before_high + self.before_low + self.before_close) / 3
        span = self.high - self.low
        before_span = self.before_high - self.before_low
        return [
            (close - pivot) / atr,
            (2 * pivot - self.before_low - close) / atr,
            (close - 2 * pivot + self.before_high) / atr,
            (self.before_high - close) / atr,
            (close - self.before_low) / atr,
            (close - self.before_close) / atr,
            (close - self.open) / atr,
            (close - self.low) / span if span > 0 else 0.5,
            _NAN if before_span != before_span else min(10.0, span / before_span) if before_span > 0 else 10.0,
            (close - self.week_open) / atr,
        ]

    def vwap_distance(self, close: float, atr: float) -> float:
        """Return the distance from the day's volume-weighted price in ATR; NaN without volume."""
        return (close - self.money / self.volume) / atr if self.volume > 0 else _NAN

    def rescale(self, factor: float, volume_factor: float) -> None:
        """Multiply prices and volumes by their factors."""
        for name in ("open", "high", "low", "close", "before_high", "before_low", "before_close", "week_open"):
            setattr(self, name, getattr(self, name) * factor)
        self.money *= factor * volume_factor
        self.volume *= volume_factor


class Candles:
    """Shapes of the last bar against the one before."""

    def __init__(self) -> None:
        self.before: tuple[float, float, float, float] | None = None
        self.streak = 0

    def features(self, bar: tuple[float, float, float, float], atr: float) -> list[float]:
        """Return the 11 candle features in catalogue order and step on."""
        opened, high, low, close = bar
        po, ph, pl, pc = self.before or bar
        if self.before is not None:
            self._count(close, pc)
        self.before = bar
        span = high - low
        body = close - opened
        before_span = ph - pl
        upper = (high - max(opened, close)) / span if span > 0 else 0.0
        lower = (min(opened, close) - low) / span if span > 0 else 0.0
        engulfing = 0.0
        if body > 0 and pc < po and close >= po and opened <= pc:
            engulfing = 1.0
        elif body < 0 and pc > po and close <= po and opened >= pc:
            engulfing = -1.0
        return [
            body / span if span > 0 else 0.0,
            (pc - po) / before_span if before_span > 0 else 0.0,
            upper,
            lower,
            body / atr,
            (opened - pc) / atr,
            1.0 if high < ph and low > pl else 0.0,
            1.0 if high > ph and low < pl else 0.0,
            engulfing,
            1.0 if lower > 0.6 else -1.0 if upper > 0.6 else 0.0,
            1.0 if abs(body) <= 0.1 * span else 0.0,
        ]

    def _count(self, close: float, before: float) -> None:
        if close > before:
            self.streak = self.streak + 1 if self.streak > 0 else 1
        elif close < before:
            self.streak = self.streak - 1 if self.streak < 0 else -1
        else:
            self.streak = 0

    def rescale(self, factor: float) -> None:
        """Multiply all prices by a factor."""
        if self.before is not None:
            opened, high, low, close = self.before
            self.before = (opened * factor, high * factor, low * factor, close * factor)


def plain_state(thing: object) -> dict[str, Any]:
    """Return the attributes of one of the classes above as JSON types (NaN as null)."""
    return {key: _plain(value) for key, value in vars(thing).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if value != value else value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def load_plain_state(thing: object, state: dict[str, Any]) -> None:
    """Set the attributes saved by `plain_state`."""
    for key in vars(thing):
        value = state[key]
        if key == "before":
            value = None if value is None else tuple(value)
        elif value is None:
            value = _NAN
        elif isinstance(value, list):
            value = [_NAN if item is None else item for item in value]
        setattr(thing, key, value)
