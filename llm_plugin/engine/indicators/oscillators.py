"""Oscillators of single values: RSI, MACD and their relatives."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from llm_plugin.engine.base.enums import MovingAverageType
from llm_plugin.engine.indicators.adaptive import moving_average
from llm_plugin.engine.indicators.averages import ExponentialMovingAverage, checked_period
from llm_plugin.engine.indicators.base import Output, PointIndicator, named
from llm_plugin.engine.indicators.changes import RateOfChangePercent

__all__ = [
    "AbsolutePriceOscillator",
    "MovingAverageConvergenceDivergence",
    "PercentagePriceOscillator",
    "RelativeStrengthIndex",
    "StochasticRelativeStrengthIndex",
    "Trix",
]


class RelativeStrengthIndex(PointIndicator):
    """Average gain against average loss, 0 to 100; 100 while there is no loss."""

    @named("RSI({period})")
    def __init__(self, period: int, moving_average_type: MovingAverageType = MovingAverageType.WILDERS) -> None:
        self.moving_average_type = moving_average_type
        self.average_gain = moving_average(moving_average_type, f"{self.name}Up", period)
        self.average_loss = moving_average(moving_average_type, f"{self.name}Down", period)
        self.warm_up_period = int(period) + 1
        self._before: float | None = None

    @property
    def is_ready(self) -> bool:
        """Ready when both averages are."""
        return self.average_gain.is_ready and self.average_loss.is_ready

    def _compute(self, time: datetime, value: float) -> float | None:
        if self._before is not None:
            change = value - self._before
            self.average_gain.push(time, max(change, 0.0))
            self.average_loss.push(time, max(-change, 0.0))
        self._before = value
        loss = max(self.average_loss._value, 0.0)
        if round(loss, 10) == 0:
            return 100.0
        return 100.0 - 100.0 / (1 + max(self.average_gain._value, 0.0) / loss)

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._before = None
        self.average_gain.reset()
        self.average_loss.reset()


class StochasticRelativeStrengthIndex(PointIndicator):
    """Where the RSI stands between its own extremes: read `k` and `d`, the current value is the input."""

    @named("SRSI({rsi_period},{stoch_period},{k_smoothing_period},{d_smoothing_period})")
    def __init__(
        self,
        rsi_period: int,
        stoch_period: int,
        k_smoothing_period: int,
        d_smoothing_period: int,
        moving_average_type: MovingAverageType = MovingAverageType.SIMPLE,
    ) -> None:
        self._rsi = RelativeStrengthIndex(rsi_period)
        self._recent: deque[float] = deque(maxlen=checked_period(self, stoch_period))
        self.k = moving_average(moving_average_type, "K", k_smoothing_period)
        self.d = moving_average(moving_average_type, "D", d_smoothing_period)
        self.warm_up_period = rsi_period + stoch_period + max(k_smoothing_period, d_smoothing_period)

    @property
    def is_ready(self) -> bool:
        """Ready with `warm_up_period` samples."""
        return self.samples >= self.warm_up_period

    def _compute(self, time: datetime, value: float) -> float | None:
        self._rsi.push(time, value)
        now = self._rsi._value
        self._recent.append(now)
        if len(self._recent) < (self._recent.maxlen or 0):
            return 0.0
        low, high = min(self._recent), max(self._recent)
        self.k.push(time, 100 * (now - low) / (high - low) if high != low else 100.0)
        self.d.push(time, self.k._value)
        return value

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._recent.clear()
        for part in (self._rsi, self.k, self.d):
            part.reset()


class MovingAverageConvergenceDivergence(PointIndicator):
    """Fast - slow average, with `signal` and `histogram`; the signal starts when both averages are ready."""

    @named("MACD({fast_period},{slow_period},{signal_period})")
    def __init__(
        self,
        fast_period: int,
        slow_period: int,
        signal_period: int,
        type: MovingAverageType = MovingAverageType.EXPONENTIAL,
    ) -> None:
        self._set_lines(fast_period, slow_period, signal_period, type)

    def _set_lines(self, fast_period: int, slow_period: int, signal_period: int, kind: MovingAverageType) -> None:
        if fast_period >= slow_period:
            raise ValueError(f"MACD: fast_period must be less than slow_period, not {fast_period} >= {slow_period}")
        self.fast = moving_average(kind, f"{self.name}_Fast", fast_period)
        self.slow = moving_average(kind, f"{self.name}_Slow", slow_period)
        self.signal = moving_average(kind, f"{self.name}_Signal", signal_period)
        self.histogram = Output(f"{self.name}_Histogram")
        self.warm_up_period = slow_period + signal_period - 1

    @property
    def is_ready(self) -> bool:
        """Ready when the signal is."""
        return self.signal.is_ready

    def _compute(self, time: datetime, value: float) -> float | None:
        fast_ready = self.fast.push(time, value)
        slow_ready = self.slow.push(time, value)
        line = self.fast._value - self.slow._value
        if fast_ready and slow_ready and self.signal.push(time, line):
            self.histogram.push(time, line - self.signal._value)
        return line

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        for part in (self.fast, self.slow, self.signal, self.histogram):
            part.reset()


class AbsolutePriceOscillator(MovingAverageConvergenceDivergence):
    """Fast - slow average, with simple averages; the signal line is as long as the slow average."""

    @named("APO({fast_period},{slow_period})")
    def __init__(
        self, fast_period: int, slow_period: int, moving_average_type: MovingAverageType = MovingAverageType.SIMPLE
    ) -> None:
        self._set_lines(fast_period, slow_period, slow_period, moving_average_type)


class PercentagePriceOscillator(AbsolutePriceOscillator):
    """100 x (fast - slow) / slow."""

    @named("PPO({fast_period},{slow_period})")
    def __init__(
        self, fast_period: int, slow_period: int, moving_average_type: MovingAverageType = MovingAverageType.SIMPLE
    ) -> None:
        self._set_lines(fast_period, slow_period, slow_period, moving_average_type)

    def _compute(self, time: datetime, value: float) -> float | None:
        line = super()._compute(time, value) or 0.0
        return 100 * line / self.slow._value if self.slow._value else 0.0


class Trix(PointIndicator):
    """The one-step change in percent of a threefold exponential average."""

    @named("TRIX({period})")
    def __init__(self, period: int) -> None:
        self._chain = [ExponentialMovingAverage(f"{self.name}_{i}", period) for i in (1, 2, 3)]
        self._change = RateOfChangePercent(f"{self.name}_ROCP1", 1)
        self.warm_up_period = 3 * (int(period) - 1) + 2

    @property
    def is_ready(self) -> bool:
        """Ready when the change is."""
        return self._change.is_ready

    def _compute(self, time: datetime, value: float) -> float | None:
        for average in self._chain:
            if not average.push(time, value):
                return self._change._value
            value = average._value
        self._change.push(time, value)
        return self._change._value

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        for part in (*self._chain, self._change):
            part.reset()
