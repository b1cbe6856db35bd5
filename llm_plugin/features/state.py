"""What the features remember from bar to bar: a window of derived series, recursive averages, levels and seasons.

`BarState.step` takes one bar and leaves three things for the kernels: a column of the derived series (`column`), the
recursive averages with their values one bar earlier (`record`), and the features that need no window (`scalars`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_plugin.features.clock import SessionClock
from llm_plugin.features.levels import Candles, DayLevels, SwingLevels, load_plain_state, plain_state
from llm_plugin.features.seasonal import Seasonality

__all__ = ["RECORD", "ROWS", "WINDOW_BARS", "BarState"]

FloatArray = npt.NDArray[np.float64]

WINDOW_BARS = 256
READY_BARS = WINDOW_BARS + 1

# Series that are summed over lookbacks come first; volume series after them; the rest is read as it is.
SUMMED = (
    "r r2 r3 r4 r_abs r_up r_lag r_down2 r_zero r5_2 tr pressure parkinson garman_klass rogers_satchell"
    " spread spread2 atr_fraction atr_fraction2 power higher_high lower_low middle stochastic range"
).split()
VOLUME = "volume money flow_volume money_flow signed_money_flow signed_volume illiquidity".split()
PLAIN = "open high low close typical rsi adx".split()
ROWS = {name: i for i, name in enumerate((*SUMMED, *VOLUME, *PLAIN))}
_PRICE_ROWS = ("tr", "pressure", "middle", "range", "open", "high", "low", "close", "typical")

EMA_SPANS = (5, 12, 20, 50, 100, 200, 26, 13)
TR_LENGTHS = (7, 14, 28, 100)
DI_LENGTHS = (7, 14, 28)
RSI_LENGTHS = (7, 14, 21, 28)
LAMBDAS = (0.94, 0.97, 0.99)

_FIRST = (
    [f"ema_{n}" for n in EMA_SPANS]
    + [f"atr_{n}" for n in TR_LENGTHS]
    + [f"plus_{n}" for n in DI_LENGTHS]
    + [f"minus_{n}" for n in DI_LENGTHS]
    + [f"gain_{n}" for n in RSI_LENGTHS]
    + [f"loss_{n}" for n in RSI_LENGTHS]
    + ["momentum", "momentum_size"]
    + [f"variance_{round(100 * x)}" for x in LAMBDAS]
)
_SECOND = ["macd_signal", "momentum_2", "momentum_size_2"] + [f"adx_{n}" for n in DI_LENGTHS]
_PRICE_STATES = len(_FIRST) - len(LAMBDAS)
N1, N2 = len(_FIRST), len(_SECOND)
RECORD = {
    name: i
    for i, name in enumerate(
        ["close", "high", "low", *_FIRST, *_SECOND, *(f"before_{name}" for name in (*_FIRST, *_SECOND))]
    )
}
N_SCALARS = 67
_TINY = 1e-300


def _decays() -> tuple[FloatArray, FloatArray]:
    def span(n: int) -> float:
        return 1 - 2 / (n + 1)

    def wilder(n: int) -> float:
        return 1 - 1 / n

    first = [span(n) for n in EMA_SPANS] + [wilder(n) for n in TR_LENGTHS]
    first += [wilder(n) for n in DI_LENGTHS] * 2 + [wilder(n) for n in RSI_LENGTHS] * 2 + [span(25)] * 2 + list(LAMBDAS)
    second = [span(9), span(13), span(13)] + [wilder(n) for n in DI_LENGTHS]
    return np.array(first), np.array(second)


class BarState:
    """All memory of one symbol. Prices are mids; a quote without trades has NaN volume."""

    def __init__(self) -> None:
        self.count = 0
        self.decays = np.concatenate(_decays())
        self.powers = np.ones(N1 + N2)
        self.weights = np.ones(N1 + N2)
        self.record = np.zeros(len(RECORD))
        self._now = self.record[3 : 3 + N1 + N2]
        self._before = self.record[3 + N1 + N2 :]
        self._inputs = np.zeros(N1 + N2)
        self.column: list[float] = [0.0] * len(ROWS)
        self.scalars: list[float] = [math.nan] * N_SCALARS
        self.recent_highs: list[float] = []
        self.recent_lows: list[float] = []
        self.recent_closes: list[float] = []
        self.end_seconds = math.nan
        self.last_change = 0.0
        self.quoted = False
        self.clock = SessionClock()
        self.swings = SwingLevels()
        self.days = DayLevels()
        self.candles = Candles()
        self.seasons = Seasonality()

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
        first = self.count == 0
        before = close if first else self.recent_closes[-1]
        change = math.log(close / before)
        true_range = max(high, before) - min(low, before)
        self._averages(bar, before, change, true_range)
        atr = max(float(self.record[RECORD["atr_14"]]), 1e-9 * close)
        sigma = math.sqrt(max(float(self.record[RECORD["variance_99"]]), 1e-20))
        self.quoted = self.quoted or spread_price > 0
        spread = spread_price / close if self.quoted else math.nan
        self._derived(bar, before, change, true_range, spread, volume)
        gap = 0.0 if first else start_seconds - self.end_seconds
        self.swings.update(high, low)
        self.days.update(self.clock.trading_day(start_seconds), bar, volume)
        candles = self.candles.features(bar, atr)
        self.scalars = [
            *self.swings.features(close, atr),
            *self.days.features(close, atr),
            *candles,
            *self.clock.features(end_seconds, gap),
            *self.seasons.features(start_seconds, end_seconds, change, spread, sigma),
            max(-1.0, min(1.0, self.candles.streak / 10)),
            self.days.vwap_distance(close, atr),
        ]
        self.last_change = change
        self.end_seconds = end_seconds
        self.count += 1

    def _averages(self, bar: tuple[float, ...], before: float, change: float, true_range: float) -> None:
        _, high, low, close = bar
        if self.count < 8000:
            # Weights of a mean over the bars so far; after 8,000 bars they have long been constant.
            self.powers *= self.decays
            self.weights = (1 - self.decays) / (1 - self.powers)
        record, x, now = self.record, self._inputs, self._now
        self._before[:] = now
        record[0], record[1], record[2] = close, high, low
        plus = minus = 0.0
        if self.recent_highs:
            up, down = high - self.recent_highs[-1], self.recent_lows[-1] - low
            plus = up if up > down and up > 0 else 0.0
            minus = down if down > up and down > 0 else 0.0
        move = close - before
        x[0:8] = close
        x[8:12] = true_range
        x[12:15] = plus
        x[15:18] = minus
        x[18:22] = move if move > 0 else 0.0
        x[22:26] = -move if move < 0 else 0.0
        x[26] = move
        x[27] = abs(move)
        x[28:31] = change * change
        self._mix(slice(0, N1))
        values = now[:N1].tolist()
        x[N1] = values[1] - values[6]
        x[N1 + 1] = values[26]
        x[N1 + 2] = values[27]
        for i in range(3):
            p, m = values[12 + i], values[15 + i]
            x[N1 + 3 + i] = 100 * abs(p - m) / (p + m + _TINY)
        self._mix(slice(N1, N1 + N2))

    def _mix(self, part: slice) -> None:
        now = self._now[part]
        delta = self._inputs[part] - now
        delta *= self.weights[part]
        now += delta

    def _derived(
        self, bar: tuple[float, ...], before: float, change: float, true_range: float, spread: float, volume: float
    ) -> None:
        opened, high, low, close = bar
        highs, lows, closes = self.recent_highs, self.recent_lows, self.recent_closes
        higher = 1.0 if highs and high > highs[-1] else 0.0
        lower = 1.0 if lows and low < lows[-1] else 0.0
        typical_before = (highs[-1] + lows[-1] + closes[-1]) / 3 if highs else 0.0
        highs.append(high)
        lows.append(low)
        closes.append(close)
        if len(highs) > 14:
            del highs[0], lows[0], closes[0]
        record = self.record
        atr_fraction = float(record[RECORD["atr_14"]]) / close
        gain, loss = float(record[RECORD["gain_14"]]), float(record[RECORD["loss_14"]])
        top, bottom = max(highs), min(lows)
        span = high - low
        log_range = math.log(high / low)
        log_body = math.log(close / opened)
        down = min(change, 0.0)
        typical = (high + low + close) / 3
        flow = 0.0 if span <= 0 else (2 * close - high - low) / span
        money = typical * volume
        direction = (change > 0) - (change < 0)
        r2 = change * change
        r5 = math.log(close / closes[-6]) if len(closes) > 5 else 0.0
        self.column = [
            change,
            r2,
            r2 * change,
            r2 * r2,
            abs(change),
            1.0 if change > 0 else 0.0,
            change * self.last_change,
            down * down,
            1.0 if change == 0 else 0.0,
            r5 * r5,
            true_range,
            close - min(low, before),
            log_range * log_range,
            log_range * log_range / 2 - (2 * math.log(2) - 1) * log_body * log_body,
            math.log(high / close) * math.log(high / opened) + math.log(low / close) * math.log(low / opened),
            spread,
            spread * spread,
            atr_fraction,
            atr_fraction * atr_fraction,
            (close - opened) / span if span > 0 else 0.0,
            higher,
            lower,
            (high + low) / 2,
            100 * (close - bottom) / (top - bottom) if top > bottom else 50.0,
            span,
            volume,
            money,
            flow * volume,
            money,
            money if typical > typical_before else 0.0 * volume,
            direction * volume,
            abs(change) / money if money > 0 else 0.0 * volume,
            opened,
            high,
            low,
            close,
            typical,
            100 * (gain + _TINY) / (gain + loss + 2 * _TINY),
            float(record[RECORD["adx_14"]]),
        ]

    def rescale(self, factor: float, volume_factor: float) -> None:
        """Multiply all remembered prices and volumes by their factors; the caller rescales the window."""
        prices = [RECORD[name] for name in ("close", "high", "low", *_FIRST[:_PRICE_STATES], *_SECOND[:3])]
        prices += [RECORD[f"before_{name}"] for name in (*_FIRST[:_PRICE_STATES], *_SECOND[:3])]
        self.record[prices] *= factor
        for name in ("recent_highs", "recent_lows", "recent_closes"):
            setattr(self, name, [price * factor for price in getattr(self, name)])
        self.swings.rescale(factor)
        self.days.rescale(factor, volume_factor)
        self.candles.rescale(factor)

    def state_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return {
            "count": self.count,
            "powers": self.powers.tolist(),
            "weights": self.weights.tolist(),
            "record": self.record.tolist(),
            "recent": [self.recent_highs, self.recent_lows, self.recent_closes],
            "end_seconds": None if math.isnan(self.end_seconds) else self.end_seconds,
            "last_change": self.last_change,
            "quoted": self.quoted,
            "scalars": [None if value != value else value for value in self.scalars],
            **{name: plain_state(getattr(self, name)) for name in ("swings", "days", "candles", "seasons")},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.count = int(state["count"])
        self.powers[:] = state["powers"]
        self.weights = np.array(state["weights"], dtype=np.float64)
        self.record[:] = state["record"]
        self.recent_highs, self.recent_lows, self.recent_closes = (list(part) for part in state["recent"])
        self.end_seconds = math.nan if state["end_seconds"] is None else float(state["end_seconds"])
        self.last_change = float(state["last_change"])
        self.quoted = bool(state["quoted"])
        self.scalars = [math.nan if value is None else float(value) for value in state["scalars"]]
        for name in ("swings", "days", "candles", "seasons"):
            load_plain_state(getattr(self, name), state[name])


def price_rows() -> list[int]:
    """Return the rows of the window that scale with the price."""
    return [ROWS[name] for name in _PRICE_ROWS]


def volume_rows() -> list[int]:
    """Return the rows of the window that scale with the volume alone."""
    return [ROWS[name] for name in ("volume", "flow_volume", "signed_volume")]


def money_rows() -> list[int]:
    """Return the rows of the window that scale with price times volume."""
    return [ROWS[name] for name in ("money", "money_flow", "signed_money_flow")]
