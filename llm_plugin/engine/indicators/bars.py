"""Indicators of whole bars: ranges, direction, oscillators of high, low and close."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from llm_plugin.engine.base.enums import MovingAverageType
from llm_plugin.engine.indicators.adaptive import moving_average
from llm_plugin.engine.indicators.averages import Sum, WilderMovingAverage, checked_period
from llm_plugin.engine.indicators.base import BarIndicator, Output, named
from llm_plugin.engine.indicators.changes import Maximum, MeanAbsoluteDeviation, Minimum

__all__ = [
    "AroonOscillator",
    "AverageDirectionalIndex",
    "AverageTrueRange",
    "CommodityChannelIndex",
    "NormalizedAverageTrueRange",
    "Stochastic",
    "TrueRange",
    "WilliamsPercentR",
]


class TrueRange(BarIndicator):
    """The largest of high - low and the distances of both from the last close."""

    def __init__(self, name: str = "TR") -> None:
        super().__init__(name)
        self.warm_up_period = 2
        self._close = 0.0

    @property
    def is_ready(self) -> bool:
        """Ready with two samples."""
        return self.samples > 1

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        high, low = float(bar.high), float(bar.low)
        result = high - low
        if self.samples > 1:
            result = max(result, abs(self._close - high), abs(self._close - low))
        self._close = float(bar.close)
        return result


class AverageTrueRange(BarIndicator):
    """Wilder's average of the true range."""

    @named("ATR({period})")
    def __init__(self, period: int, moving_average_type: MovingAverageType = MovingAverageType.WILDERS) -> None:
        self.warm_up_period = int(period)
        self.true_range = TrueRange(self.name)
        self._smoother = moving_average(moving_average_type, f"{self.name}_{moving_average_type}", period)

    @property
    def is_ready(self) -> bool:
        """Ready when the average is."""
        return self._smoother.is_ready

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        self.true_range.push_bar(bar)
        self._smoother.push(time, self.true_range._value)
        return self._smoother._value

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self.true_range.reset()
        self._smoother.reset()


class NormalizedAverageTrueRange(BarIndicator):
    """The average true range in percent of the close."""

    @named("NATR({period})")
    def __init__(self, period: int) -> None:
        self.period = checked_period(self, period)
        self.warm_up_period = self.period + 1
        self._range = TrueRange(f"{self.name}_TR")
        self._seed = AverageTrueRange(f"{self.name}_ATR", period, MovingAverageType.SIMPLE)
        self._last = 0.0

    @property
    def is_ready(self) -> bool:
        """Ready with period + 1 samples."""
        return self.samples > self.period

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        self._range.push_bar(bar)
        if self.samples <= self.period + 1:
            self._seed.push_bar(bar)
            self._last = self._seed._value
        else:
            self._last = (self._last * (self.period - 1) + self._range._value) / self.period
        return self._last / float(bar.close) * 100 if bar.close else 0.0

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._range.reset()
        self._seed.reset()
        self._last = 0.0


class AverageDirectionalIndex(BarIndicator):
    """Strength of the trend, with `positive_directional_index` and `negative_directional_index`."""

    @named("ADX({period})")
    def __init__(self, period: int) -> None:
        self.period = checked_period(self, period)
        self.warm_up_period = 2 * self.period
        self._index = WilderMovingAverage(period)
        self.positive_directional_index = Output(f"{self.name}_PositiveDirectionalIndex", self._smooth_ready)
        self.negative_directional_index = Output(f"{self.name}_NegativeDirectionalIndex", self._smooth_ready)
        self._forget()

    def _forget(self) -> None:
        self._before: tuple[float, float, float] | None = None
        self._smooth_range = self._smooth_plus = self._smooth_minus = 0.0

    def _smooth_ready(self) -> bool:
        return self.samples > self.period

    @property
    def is_ready(self) -> bool:
        """Ready when the average of the index is."""
        return self._index.is_ready

    def _movements(self, high: float, low: float) -> tuple[float, float, float]:
        if self._before is None:
            return 0.0, 0.0, 0.0
        last_high, last_low, last_close = self._before
        span = max(high - low, abs(high - last_close), abs(low - last_close))
        up, down = high - last_high, last_low - low
        return span, up if up > 0 and up >= down else 0.0, down if down > 0 and down > up else 0.0

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        high, low = float(bar.high), float(bar.low)
        span, plus, minus = self._movements(high, low)
        keep = 1 - 1 / self.period if self.samples > self.period + 1 else 1.0
        self._smooth_range = self._smooth_range * keep + span
        self._smooth_plus = self._smooth_plus * keep + plus
        self._smooth_minus = self._smooth_minus * keep + minus
        self._before = (high, low, float(bar.close))
        usable = self._smooth_ready() and self._smooth_range != 0
        positive = 100 * self._smooth_plus / self._smooth_range if usable else 0.0
        negative = 100 * self._smooth_minus / self._smooth_range if usable else 0.0
        self.positive_directional_index.push(time, positive)
        self.negative_directional_index.push(time, negative)
        if positive + negative == 0:
            return 50.0
        self._index.push(time, 100 * abs(positive - negative) / (positive + negative))
        return self._index._value

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._forget()
        for part in (self._index, self.positive_directional_index, self.negative_directional_index):
            part.reset()


class Stochastic(BarIndicator):
    """Where the close stands between the extremes: `fast_stoch`, `stoch_k` and `stoch_d`, in percent."""

    @named("STO({period},{k_period},{d_period})")
    def __init__(self, period: int, k_period: int, d_period: int) -> None:
        self.warm_up_period = period + k_period + d_period - 2
        self._high = Maximum(f"{self.name}_Max", period)
        self._low = Minimum(f"{self.name}_Min", period)
        self._sum_fast = Sum(f"{self.name}_SumFastK", k_period)
        self._sum_slow = Sum(f"{self.name}_SumD", d_period)
        self.fast_stoch = Output(f"{self.name}_FastStoch", lambda: self._high.is_ready)
        self.stoch_k = Output(f"{self.name}_StochK", lambda: self._sum_fast.is_ready)
        self.stoch_d = Output(f"{self.name}_StochD", lambda: self._sum_slow.is_ready)

    @property
    def is_ready(self) -> bool:
        """Ready when all three lines are."""
        return self._high.is_ready and self._sum_fast.is_ready and self._sum_slow.is_ready

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        self._high.push(time, float(bar.high))
        self._low.push(time, float(bar.low))
        fast = slow = 0.0
        width = self._high._value - self._low._value
        if self._high.is_ready and width != 0:
            fast = (float(bar.close) - self._low._value) / width
            self._sum_fast.push(time, fast)
        self.fast_stoch.push(time, 100 * fast)
        if self._sum_fast.is_ready:
            slow = self._sum_fast._value / self._sum_fast.period
            self._sum_slow.push(time, slow)
        self.stoch_k.push(time, 100 * slow)
        ready = self._sum_slow.is_ready
        self.stoch_d.push(time, 100 * self._sum_slow._value / self._sum_slow.period if ready else 0.0)
        return 100 * fast

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        parts = (self._high, self._low, self._sum_fast, self._sum_slow, self.fast_stoch, self.stoch_k, self.stoch_d)
        for part in parts:
            part.reset()


class CommodityChannelIndex(BarIndicator):
    """The typical price's distance from its average, in units of 0.015 mean deviations."""

    @named("CCI({period})")
    def __init__(self, period: int, moving_average_type: MovingAverageType = MovingAverageType.SIMPLE) -> None:
        self.warm_up_period = int(period)
        self.moving_average_type = moving_average_type
        self.typical_price_average = moving_average(moving_average_type, f"{self.name}_TypicalPriceAvg", period)
        self.typical_price_mean_deviation = MeanAbsoluteDeviation(f"{self.name}_TypicalPriceMAD", period)

    @property
    def is_ready(self) -> bool:
        """Ready when both parts are."""
        return self.typical_price_average.is_ready and self.typical_price_mean_deviation.is_ready

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        typical = (float(bar.high) + float(bar.low) + float(bar.close)) / 3
        self.typical_price_average.push(time, typical)
        self.typical_price_mean_deviation.push(time, typical)
        scale = 0.015 * self.typical_price_mean_deviation._value
        return (typical - self.typical_price_average._value) / scale if scale else 0.0

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self.typical_price_average.reset()
        self.typical_price_mean_deviation.reset()


class AroonOscillator(BarIndicator):
    """Aroon up - Aroon down: how recent the highest high and the lowest low are."""

    @named("AROON({up_period},{down_period})")
    def __init__(self, up_period: int, down_period: int) -> None:
        self._up_period, self._down_period = int(up_period), int(down_period)
        self._high = Maximum(f"{self.name}_Max", self._up_period + 1)
        self._low = Minimum(f"{self.name}_Min", self._down_period + 1)
        self.aroon_up = Output(f"{self.name}_AroonUp", lambda: self._high.is_ready)
        self.aroon_down = Output(f"{self.name}_AroonDown", lambda: self._low.is_ready)
        self.warm_up_period = 1 + max(self._up_period, self._down_period)

    @property
    def is_ready(self) -> bool:
        """Ready when both lines are."""
        return self._high.is_ready and self._low.is_ready

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        self._high.push(time, float(bar.high))
        self._low.push(time, float(bar.low))
        up = 100.0 * (self._up_period - self._high.periods_since_maximum) / self._up_period
        down = 100.0 * (self._down_period - self._low.periods_since_minimum) / self._down_period
        self.aroon_up.push(time, up)
        self.aroon_down.push(time, down)
        return up - down

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        for part in (self._high, self._low, self.aroon_up, self.aroon_down):
            part.reset()


class WilliamsPercentR(BarIndicator):
    """-100 x distance of the close from the highest high, over the range; 0 until ready."""

    @named("WILR({period})")
    def __init__(self, period: int) -> None:
        self.warm_up_period = int(period)
        self.maximum = Maximum(f"{self.name}_Max", period)
        self.minimum = Minimum(f"{self.name}_Min", period)

    @property
    def is_ready(self) -> bool:
        """Ready with `period` samples."""
        return self.maximum.is_ready and self.minimum.is_ready

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        self.minimum.push(time, float(bar.low))
        self.maximum.push(time, float(bar.high))
        width = self.maximum._value - self.minimum._value
        return -100 * (self.maximum._value - float(bar.close)) / width if self.is_ready and width else 0.0

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self.maximum.reset()
        self.minimum.reset()
