"""Indicators that need at most 34 bars, on plain lists: for one number at a time these are quicker than arrays."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from llm_plugin.features.averages import FIRST

__all__ = ["RecentBars"]

_TINY = 1e-300
_LENGTHS = {
    "highs": 14,
    "lows": 14,
    "closes": 14,
    "typical": 20,
    "middle": 34,
    "span": 20,
    "true_range": 28,
    "pressure": 28,
    "change": 14,
    "power": 14,
    "higher": 10,
    "lower": 10,
    "still": 24,
    "rsi": 14,
    "adx": 6,
    "stochastic": 3,
}
_PRICES = ("highs", "lows", "closes", "typical", "middle", "span", "true_range", "pressure")
_EMA_5, _EMA_13 = FIRST["ema_5"], FIRST["ema_13"]
_ATR_7, _PLUS_7, _MINUS_7, _ADX_7 = FIRST["atr_7"], FIRST["plus_7"], FIRST["minus_7"], FIRST["adx_7"]
_GAIN_7, _LOSS_7 = FIRST["gain_7"], FIRST["loss_7"]
_MOMENTUM, _VARIANCE = FIRST["momentum_2"], FIRST["variance_94"]


class RecentBars:
    """The last bars of one symbol and the trend, momentum and volatility features that follow from them."""

    def __init__(self) -> None:
        self.lists: dict[str, list[float]] = {name: [] for name in _LENGTHS}

    def last(self) -> tuple[float, float, float] | None:
        """Return high, low and close of the newest bar, None before the first."""
        lists = self.lists
        return (lists["highs"][-1], lists["lows"][-1], lists["closes"][-1]) if lists["closes"] else None

    def push(
        self, bar: tuple[float, float, float, float], change: float, true_range: float, averages: list[float]
    ) -> None:
        """Take a bar.

        Args:
            bar: Mid open, high, low, close.
            change: Log return.
            true_range: True range in price units.
            averages: Values of `Averages` after this bar.
        """
        opened, high, low, close = bar
        before = self.last() or (high, low, close)
        lists = self.lists
        span = high - low
        gain, loss = averages[_GAIN_7 + 1], averages[_LOSS_7 + 1]
        top, bottom = max([high, *lists["highs"][-13:]]), min([low, *lists["lows"][-13:]])
        newest = (
            high,
            low,
            close,
            (high + low + close) / 3,
            (high + low) / 2,
            span,
            true_range,
            close - min(low, before[2]),
            change,
            (close - opened) / span if span > 0 else 0.0,
            1.0 if high > before[0] else 0.0,
            1.0 if low < before[1] else 0.0,
            1.0 if change == 0 else 0.0,
            100 * (gain + _TINY) / (gain + loss + 2 * _TINY),
            averages[_ADX_7 + 1],
            100 * (close - bottom) / (top - bottom) if top > bottom else 50.0,
        )
        for values, length, value in zip(lists.values(), _LENGTHS.values(), newest, strict=True):
            values.append(value)
            if len(values) > length:
                del values[0]

    def trend(self, averages: list[float]) -> list[float]:
        """Return the 12 features from `adx_7` to `trend_direction`."""
        a = averages
        plus, minus = [], []
        for i in range(3):
            scale = 100 / (a[_ATR_7 + i] + _TINY)
            plus.append(a[_PLUS_7 + i] * scale)
            minus.append(a[_MINUS_7 + i] * scale)
        adx = a[_ADX_7 + 1]
        side = float((plus[1] > minus[1]) - (plus[1] < minus[1]))
        emas = a[_EMA_5 : _EMA_5 + 6]
        order = sum((x > y) - (x < y) for x, y in pairwise(emas))
        return [
            a[_ADX_7],
            adx,
            a[_ADX_7 + 2],
            plus[0] - minus[0],
            plus[1] - minus[1],
            plus[2] - minus[2],
            plus[1],
            minus[1],
            adx - self.lists["adx"][0],
            order / 5,
            side * adx / (adx + 25),
            side if adx >= 25 else 0.0,
        ]

    def momentum(self, averages: list[float], atr: float, streak: int) -> list[float]:
        """Return the 16 features from `rsi_7` to `balance_of_power_14`."""
        a, lists = averages, self.lists
        rsi, ranges, pressure, middle = lists["rsi"], lists["true_range"], lists["pressure"], lists["middle"]
        low, top = min(rsi), max(rsi)
        high, bottom, close = lists["highs"][-1], lists["lows"][-1], lists["closes"][-1]
        change = lists["change"]
        ultimate = (
            4 * sum(pressure[-7:]) / (sum(ranges[-7:]) + _TINY)
            + 2 * sum(pressure[-14:]) / (sum(ranges[-14:]) + _TINY)
            + sum(pressure) / (sum(ranges) + _TINY)
        )
        strengths = []
        for i in range(_GAIN_7, _GAIN_7 + 4):
            gain = a[i] + _TINY
            strengths.append(100 * gain / (gain + a[i + 4] + _TINY))
        return [
            *strengths,
            rsi[-1] - rsi[-4 if len(rsi) > 3 else 0],
            (rsi[-1] - low + _TINY) / (top - low + 2 * _TINY),
            sum(lists["stochastic"]) / len(lists["stochastic"]),
            self._commodity_channel(close),
            sum(change) / (sum(map(abs, change)) + _TINY),
            100 * a[_MOMENTUM] / (a[_MOMENTUM + 1] + _TINY),
            ultimate * 100 / 7,
            (sum(middle[-5:]) / len(middle[-5:]) - sum(middle) / len(middle)) / atr,
            (high - a[_EMA_13]) / atr,
            (bottom - a[_EMA_13]) / atr,
            max(-1.0, min(1.0, streak / 10)),
            sum(lists["power"]) / len(lists["power"]),
        ]

    def _commodity_channel(self, close: float) -> float:
        typical = self.lists["typical"]
        mean = sum(typical) / len(typical)
        deviation = sum([abs(value - mean) for value in typical]) / len(typical)
        # A window without movement leaves rounding only: no deviation, no index.
        return (typical[-1] - mean) / (0.015 * deviation) if deviation > 1e-12 * close else 0.0

    def volatility(self, averages: list[float], atr: float, sigma: float) -> list[float]:
        """Return the 9 features from `atr_fraction_7` to `range_expansion`."""
        a, lists = averages, self.lists
        close, span = lists["closes"][-1], lists["span"]
        slow = a[_ATR_7 + 3] + _TINY
        return [
            a[_ATR_7] / close,
            a[_ATR_7 + 1] / close,
            a[_ATR_7 + 3] / close,
            a[_ATR_7] / slow,
            a[_ATR_7 + 1] / slow,
            lists["true_range"][-1] / atr,
            a[_VARIANCE] ** 0.5 / sigma,
            a[_VARIANCE + 1] ** 0.5 / sigma,
            span[-1] * len(span) / (sum(span) + _TINY),
        ]

    def structure(self) -> list[float]:
        """Return `higher_high_share_10` and `lower_low_share_10`."""
        higher = self.lists["higher"]
        return [sum(higher) / len(higher), sum(self.lists["lower"]) / len(higher)]

    def stale_share(self) -> float:
        """Return the share of the last 24 bars without a change of the close."""
        still = self.lists["still"]
        return sum(still) / len(still)

    def rescale(self, factor: float) -> None:
        """Multiply what is in price units by a factor."""
        for name in _PRICES:
            self.lists[name] = [value * factor for value in self.lists[name]]

    def state_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return {name: list(values) for name, values in self.lists.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.lists = {name: [float(value) for value in state[name]] for name in _LENGTHS}
