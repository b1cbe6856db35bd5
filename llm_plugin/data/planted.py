"""The base signal and the context of a planted market, as a deterministic function of bars.

A synthetic market (`synth.py`) is written so that `PlantedSignal`, fed its bars, fires at known places, and so that
the context which the same bars show decides whether the trade pays. Everything here uses completed bars only and
mid prices. Standard library only, so that an algorithm inside LEAN can use it as its alpha.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from llm_plugin.domain import Action, ExitPlan, PriceBar
from llm_plugin.errors import ConfigError, did_you_mean

__all__ = ["CONTEXTS", "SIGNALS", "ContextValues", "PlantedEvent", "PlantedRule", "PlantedSignal", "planted_signal"]

SIGNALS = {
    "breakout": "the mid close leaves the range of the last `lookback` bars before it; BUY above, SELL below",
    "reversion": "the same trigger taken the other way round; SELL above, BUY below",
}
CONTEXTS = {
    "volatility": "expanding volatility: Wilder ATR(14) / Wilder ATR(100) is at or above the threshold",
    "trend": "with the trend: side x (EMA(20) - EMA(100)) / ATR(14) is at or above the threshold",
    "rsi": "not stretched: side x (Wilder RSI(14) - 50) is below the threshold",
    "hour": "the busy hours: the bar's end is at most `threshold` hours away from 12:00 UTC",
    "volatility_trend": "exactly one of `volatility` and `trend` holds (an interaction: neither alone tells anything)",
}
_TICK_TOLERANCE = 1e-9
_FAST, _SLOW = 14, 100
_EMA_FAST, _EMA_SLOW = 20, 100


@dataclass(frozen=True, slots=True)
class PlantedRule:
    """Signal, context and exits of a planted market.

    Attributes:
        signal: Key of `SIGNALS`.
        context: Key of `CONTEXTS`.
        threshold: Threshold of the context's figure; `trend_threshold` is the second one of `volatility_trend`.
        trend_threshold: Threshold of the trend figure.
        lookback: Bars of the range that a close must leave.
        horizon: Bars within which each trade ends; the signal is silent for as many bars after it fired.
        stop_atr: Stop distance in Wilder ATR(14); this is 1 R.
        target_atr: Target distance in Wilder ATR(14).
        timeout_hours: Vertical barrier; longer than `horizon` bars ever take.
        price_increment: Levels are rounded to it.
        warmup_bars: No signal before so many bars.
    """

    signal: str = "breakout"
    context: str = "volatility"
    threshold: float = 1.0
    trend_threshold: float = 0.0
    lookback: int = 6
    horizon: int = 10
    stop_atr: float = 1.0
    target_atr: float = 1.5
    timeout_hours: float = 96.0
    price_increment: float = 0.00001
    warmup_bars: int = 300

    def __post_init__(self) -> None:
        """Refuse impossible rules, all problems at once."""
        problems = []
        for name, known in (("signal", SIGNALS), ("context", CONTEXTS)):
            value = getattr(self, name)
            if value not in known:
                problems.append(f"{name} is {value!r}{did_you_mean(str(value), known)}; known: {', '.join(known)}")
        for name, least in (("lookback", 2), ("horizon", 2), ("warmup_bars", _SLOW)):
            if getattr(self, name) < least:
                problems.append(f"{name} is {getattr(self, name)!r}: give at least {least}")
        for name in ("stop_atr", "target_atr", "timeout_hours", "price_increment"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                problems.append(f"{name} is {value!r}: give a number above 0")
        if problems:
            raise ConfigError(problems)

    @property
    def context_text(self) -> str:
        """The context in words, with its figures."""
        text = f"{CONTEXTS[self.context]}; threshold {self.threshold:g}"
        return text + (f", trend threshold {self.trend_threshold:g}" if self.context == "volatility_trend" else "")


@dataclass(frozen=True, slots=True)
class ContextValues:
    """The figures that the contexts look at, at the end of one bar."""

    volatility_ratio: float
    trend_strength: float
    rsi: float
    hour_end_utc: float

    def holds(self, rule: PlantedRule, side: int) -> bool:
        """Whether the rule's context holds for a trade of this side."""
        volatility = self.volatility_ratio >= rule.threshold
        if rule.context == "volatility":
            return volatility
        if rule.context == "trend":
            return side * self.trend_strength >= rule.threshold
        if rule.context == "rsi":
            return side * (self.rsi - 50.0) < rule.threshold
        if rule.context == "hour":
            return abs(self.hour_end_utc - 12.0) <= rule.threshold
        return volatility != (side * self.trend_strength >= rule.trend_threshold)


@dataclass(frozen=True, slots=True)
class PlantedEvent:
    """One firing of the base signal: `index` counts bars from 0, `context` is what the bars show (see the rule)."""

    index: int
    time_utc: datetime
    side: int
    reference_price: float
    atr: float
    exit: ExitPlan
    context: bool
    values: ContextValues

    @property
    def action(self) -> Action:
        """BUY or SELL."""
        return Action.BUY if self.side > 0 else Action.SELL


class PlantedSignal:
    """Incremental base signal: feed completed bars in order, get an event or None."""

    def __init__(self, rule: PlantedRule | None = None) -> None:
        self.rule = rule or PlantedRule()
        self.index = -1
        self._highs: deque[float] = deque(maxlen=self.rule.lookback)
        self._lows: deque[float] = deque(maxlen=self.rule.lookback)
        self._close = math.nan
        self.atr = self._atr_slow = 0.0
        self._ema_fast = self._ema_slow = 0.0
        self._gain = self._loss = 0.0
        self._silent_until = self.rule.warmup_bars

    @classmethod
    def after(cls, bars: Iterable[PriceBar], rule: PlantedRule | None = None) -> PlantedSignal:
        """Return the signal as it stands after these bars: all bars of the file up to where a run starts."""
        signal = cls(rule)
        for bar in bars:
            signal.update(bar)
        return signal

    def update(self, bar: PriceBar) -> PlantedEvent | None:
        """Take one completed bar."""
        side = self.step(bar.high, bar.low, bar.close)
        return self.event(side, bar.end_utc) if side else None

    def step(self, high: float, low: float, close: float) -> int:
        """Take the mid prices of one bar; return the side of a signal or 0."""
        self.index += 1
        if self.index == 0:
            self._ema_fast = self._ema_slow = close
            self.atr = self._atr_slow = high - low
        else:
            self._indicators(high, low, close)
        side = self._trigger(close)
        self._highs.append(high)
        self._lows.append(low)
        self._close = close
        return side

    def _indicators(self, high: float, low: float, close: float) -> None:
        before = self._close
        true_range = max(high, before) - min(low, before)
        self.atr += (true_range - self.atr) / min(self.index + 1, _FAST)
        self._atr_slow += (true_range - self._atr_slow) / min(self.index + 1, _SLOW)
        self._ema_fast += (close - self._ema_fast) * (2.0 / (_EMA_FAST + 1))
        self._ema_slow += (close - self._ema_slow) * (2.0 / (_EMA_SLOW + 1))
        change = close - before
        weight = min(self.index, _FAST)
        self._gain += (max(change, 0.0) - self._gain) / weight
        self._loss += (max(-change, 0.0) - self._loss) / weight

    def _trigger(self, close: float) -> int:
        if self.index < self._silent_until or self.atr <= 0.0:
            return 0
        tolerance = _TICK_TOLERANCE * close
        side = int(close > max(self._highs) + tolerance) - int(close < min(self._lows) - tolerance)
        if side:
            self._silent_until = self.index + self.rule.horizon + 1
        return -side if self.rule.signal == "reversion" else side

    def context_values(self, end_utc: datetime) -> ContextValues:
        """Return the context's figures at the end of the last bar."""
        moves = self._gain + self._loss
        end = end_utc.astimezone(UTC)
        hour = end.hour + end.minute / 60 + end.second / 3600
        return ContextValues(
            volatility_ratio=self.atr / self._atr_slow if self._atr_slow > 0 else math.nan,
            trend_strength=(self._ema_fast - self._ema_slow) / self.atr if self.atr > 0 else 0.0,
            rsi=100.0 * self._gain / moves if moves > 0 else 50.0,
            hour_end_utc=hour or 24.0,
        )

    def event(self, side: int, end_utc: datetime) -> PlantedEvent:
        """Describe the signal of the last bar."""
        rule, price = self.rule, self._close
        values = self.context_values(end_utc)
        plan = ExitPlan(
            stop=_round(price - side * rule.stop_atr * self.atr, rule.price_increment),
            target=_round(price + side * rule.target_atr * self.atr, rule.price_increment),
            timeout=timedelta(hours=rule.timeout_hours),
        )
        holds = values.holds(rule, side)
        return PlantedEvent(self.index, end_utc, side, price, self.atr, plan, holds, values)


def _round(price: float, increment: float) -> float:
    digits = max(0, -math.floor(math.log10(increment) + 1e-9))
    return round(round(price / increment) * increment, digits)


def planted_signal(bars: Iterable[PriceBar], rule: PlantedRule | None = None) -> list[PlantedEvent]:
    """Return every event of the base signal over a series of bars (for a planted market: its whole file)."""
    signal = PlantedSignal(rule)
    return [event for bar in bars if (event := signal.update(bar)) is not None]
