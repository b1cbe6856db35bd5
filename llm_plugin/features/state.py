"""What the features remember from bar to bar.

`BarState.step` takes one bar and leaves three things for the kernels: a column of the series that are windowed
(`column`), the recursive averages with their values one bar earlier (`record`), and the features that need no window
(`scalars`).
"""

from __future__ import annotations

import math
from typing import Any

from llm_plugin.features.averages import FIRST, Averages, FloatArray
from llm_plugin.features.clock import SessionClock
from llm_plugin.features.levels import Candles, DayLevels, SwingLevels, load_plain_state, plain_state
from llm_plugin.features.ranks import RollingRank
from llm_plugin.features.recent import RecentBars
from llm_plugin.features.seasonal import Seasonality

__all__ = ["READY_BARS", "ROWS", "SCALAR_BLOCKS", "SUMMED", "VOLUME", "WINDOW_BARS", "BarState"]

WINDOW_BARS = 256
READY_BARS = WINDOW_BARS + 1

# Series that are summed over lookbacks come first, then volume series, then those that are read as they are.
SUMMED = (
    "r r_negative r2 r3 r4 r_abs r_up r_lag r_down2 r5_2 parkinson garman_klass rogers_satchell"
    " tr spread atr_fraction spread2 atr_fraction2"
).split()
VOLUME = "volume money flow_volume money_flow signed_money_flow signed_volume illiquidity".split()
PLAIN = "close high low_negative".split()
ROWS = {name: i for i, name in enumerate((*SUMMED, *VOLUME, *PLAIN))}
_PRICE_ROWS = ("tr", "close", "high", "low_negative")
_VOLUME_ROWS = ("volume", "flow_volume", "signed_volume")
_MONEY_ROWS = ("money", "money_flow", "signed_money_flow")

# First and last feature of each run of features that need no window, in the order of `scalars`.
SCALAR_BLOCKS = (
    ("adx", "balance_of_power_14"),
    ("atr_fraction", "range_expansion"),
    ("volatility_percentile", "volatility_regime"),
    ("higher_high_share_10", "rollover_window"),
    ("vwap_distance", "vwap_distance"),
    ("spread_percentile", "hour_spread_ratio"),
)
N_SCALARS = 12 + 16 + 9 + 2 + 2 + 12 + 10 + 11 + 24 + 1 + 4 + 8
_ATR_14, _SIGMA = FIRST["atr_14"], FIRST["variance_99"]
_GARMAN_KLASS = 2 * math.log(2) - 1
_RANK_BARS = 240
_RANKS = ("volatility_rank", "spread_rank")
_PARTS = ("swings", "days", "candles", "seasons")


class BarState:
    """All memory of one symbol. Prices are mids; a quote without trades has NaN volume."""

    def __init__(self) -> None:
        self.averages = Averages()
        self.recent = RecentBars()
        self.clock = SessionClock()
        self.swings = SwingLevels()
        self.days = DayLevels()
        self.candles = Candles()
        self.seasons = Seasonality()
        self.volatility_rank = RollingRank(_RANK_BARS)
        self.spread_rank = RollingRank(_RANK_BARS)
        self.column: list[float] = [0.0] * len(ROWS)
        self.scalars: list[float] = [math.nan] * N_SCALARS
        self.end_seconds = math.nan
        self.last_change = 0.0
        self.quoted = False

    @property
    def count(self) -> int:
        """Bars taken so far."""
        return self.averages.count

    @property
    def record(self) -> FloatArray:
        """The recursive averages, laid out as `averages.RECORD` says."""
        return self.averages.record

    def step(
        self,
        start_seconds: float,
        end_seconds: float,
        bar: tuple[float, float, float, float],
        spread_price: float,
        volume: float,
    ) -> None:
        """Take one completed bar.

        Args:
            start_seconds: Start of the bar, seconds since 1970 UTC.
            end_seconds: End of the bar, seconds since 1970 UTC.
            bar: Mid open, high, low and close.
            spread_price: Ask close minus bid close; 0 means unknown until a spread was seen.
            volume: Traded volume, NaN where unknown.
        """
        _, high, low, close = bar
        gap = start_seconds - self.end_seconds if self.count else 0.0
        before_high, before_low, before = self.recent.last() or (high, low, close)
        change = math.log(close / before)
        true_range = max(high, before) - min(low, before)
        up, down = high - before_high, before_low - low
        plus = up if up > down and up > 0 else 0.0
        minus = down if down > up and down > 0 else 0.0
        averages = self.averages.update(high, low, close, change, true_range, plus, minus)
        self.recent.push(bar, change, true_range, averages)
        self.quoted = self.quoted or spread_price > 0
        spread = spread_price / close if self.quoted else math.nan
        self.column = [
            *self._returns(bar, change),
            true_range,
            spread,
            averages[_ATR_14] / close,
            spread * spread,
            (averages[_ATR_14] / close) ** 2,
            *self._volumes(bar, change, volume),
            close,
            high,
            -low,
        ]
        self.swings.update(high, low)
        self.days.update(self.clock.trading_day(start_seconds), bar, volume)
        atr = max(averages[_ATR_14], 1e-9 * close)
        sigma = math.sqrt(max(averages[_SIGMA], 1e-20))
        candles = self.candles.features(bar, atr)
        rank = self.volatility_rank.update(averages[_ATR_14] / close)
        self.scalars = [
            *self.recent.trend(averages),
            *self.recent.momentum(averages, atr, self.candles.streak),
            *self.recent.volatility(averages, atr, sigma),
            rank,
            (rank > 0.7) * 1.0 - (rank < 0.3),
            *self.recent.structure(),
            *self.swings.features(close, atr),
            *self.days.features(close, atr),
            *candles,
            *self.clock.features(end_seconds, gap),
            self.days.vwap_distance(close, atr),
            self.spread_rank.update(spread),
            spread * 1e4,
            spread * close / atr,
            self.recent.stale_share(),
            *self.seasons.features(start_seconds, end_seconds, change, spread, sigma),
        ]
        self.last_change = change
        self.end_seconds = end_seconds

    def _returns(self, bar: tuple[float, float, float, float], change: float) -> tuple[float, ...]:
        opened, high, low, close = bar
        closes = self.recent.lists["closes"]
        five = math.log(close / closes[-6]) if len(closes) > 5 else 0.0
        log_range, log_body = math.log(high / low), math.log(close / opened)
        top, bottom = math.log(high / close), math.log(low / close)
        square = change * change
        return (
            change,
            -change,
            square,
            square * change,
            square * square,
            abs(change),
            1.0 if change > 0 else 0.0,
            change * self.last_change,
            square if change < 0 else 0.0,
            five * five,
            log_range * log_range,
            log_range * log_range / 2 - _GARMAN_KLASS * log_body * log_body,
            top * (top + log_body) + bottom * (bottom + log_body),
        )

    def _volumes(self, bar: tuple[float, float, float, float], change: float, volume: float) -> tuple[float, ...]:
        if volume != volume:
            return (volume,) * len(VOLUME)
        _, high, low, close = bar
        typicals = self.recent.lists["typical"]
        span = high - low
        money = typicals[-1] * volume
        rising = len(typicals) > 1 and typicals[-1] > typicals[-2]
        return (
            volume,
            money,
            (2 * close - high - low) / span * volume if span > 0 else 0.0,
            money,
            money if rising else 0.0,
            ((change > 0) - (change < 0)) * volume,
            abs(change) / money if money > 0 else 0.0,
        )

    def rescale(self, factor: float, volume_factor: float) -> None:
        """Multiply all remembered prices and volumes by their factors; the owner of the window rescales that."""
        self.averages.rescale(factor)
        self.recent.rescale(factor)
        self.swings.rescale(factor)
        self.days.rescale(factor, volume_factor)
        self.candles.rescale(factor)

    def state_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return {
            "averages": self.averages.state_dict(),
            "recent": self.recent.state_dict(),
            "end_seconds": None if math.isnan(self.end_seconds) else self.end_seconds,
            "last_change": self.last_change,
            "quoted": self.quoted,
            "scalars": [None if value != value else value for value in self.scalars],
            **{name: plain_state(getattr(self, name)) for name in _PARTS},
            **{name: getattr(self, name).state_dict() for name in _RANKS},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.averages.load_state_dict(state["averages"])
        self.recent.load_state_dict(state["recent"])
        self.end_seconds = math.nan if state["end_seconds"] is None else float(state["end_seconds"])
        self.last_change = float(state["last_change"])
        self.quoted = bool(state["quoted"])
        self.scalars = [math.nan if value is None else float(value) for value in state["scalars"]]
        for name in _PARTS:
            load_plain_state(getattr(self, name), state[name])
        for name in _RANKS:
            getattr(self, name).load_state_dict(state[name])


def row_scales(factor: float, volume_factor: float) -> list[float]:
    """Return what each row of the window must be multiplied by when prices and volumes change their scale."""
    scales = dict.fromkeys(ROWS, 1.0)
    scales |= dict.fromkeys(_PRICE_ROWS, factor) | dict.fromkeys(_VOLUME_ROWS, volume_factor)
    scales |= dict.fromkeys(_MONEY_ROWS, factor * volume_factor) | {"illiquidity": 1 / (factor * volume_factor)}
    return list(scales.values())
