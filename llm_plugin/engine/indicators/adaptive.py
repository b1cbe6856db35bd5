"""Averages whose weights follow the data, and the regression line."""

from __future__ import annotations

import math
from collections import deque
from datetime import datetime

from llm_plugin.engine.base.enums import MovingAverageType
from llm_plugin.engine.indicators.averages import (
    DoubleExponentialMovingAverage,
    ExponentialMovingAverage,
    HullMovingAverage,
    LinearWeightedMovingAverage,
    SimpleMovingAverage,
    T3MovingAverage,
    TriangularMovingAverage,
    TripleExponentialMovingAverage,
    WilderMovingAverage,
    WindowIndicator,
    checked_period,
)
from llm_plugin.engine.indicators.base import Output, PointIndicator, named
from llm_plugin.errors import UnsupportedLeanApi

__all__ = [
    "ArnaudLegouxMovingAverage",
    "KaufmanAdaptiveMovingAverage",
    "KaufmanEfficiencyRatio",
    "LeastSquaresMovingAverage",
    "ZeroLagExponentialMovingAverage",
    "moving_average",
]


class KaufmanEfficiencyRatio(PointIndicator):
    """Net move over the sum of moves in the window."""

    @named("KER({period})")
    def __init__(self, period: int) -> None:
        self._set_window(period)

    def _set_window(self, period: int) -> None:
        # LEAN holds one value more than asked for and calls that its period.
        self.period = checked_period(self, period) + 1
        self.warm_up_period = self.period
        self._inputs: deque[float] = deque(maxlen=self.period)
        self._path = 0.0
        self._trailing = 0.0

    @property
    def is_ready(self) -> bool:
        """Ready with period + 1 samples."""
        return self.samples >= self.period

    def _ratio(self, value: float) -> float:
        inputs = self._inputs
        inputs.append(value)
        step = abs(value - inputs[-2]) if len(inputs) > 1 else 0.0
        if self.samples < self.period:
            self._path += step
            return value
        oldest = inputs[0]
        if self.samples > self.period:
            self._path -= abs(self._trailing - oldest)
        self._path += step
        self._trailing = oldest
        net = value - oldest
        return 1.0 if self._path <= net or self._path == 0 else abs(net / self._path)

    def _compute(self, time: datetime, value: float) -> float | None:
        return self._ratio(value)

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._inputs.clear()
        self._path = self._trailing = 0.0


class KaufmanAdaptiveMovingAverage(KaufmanEfficiencyRatio):
    """Between a fast and a slow exponential average, by the efficiency ratio."""

    @named("KAMA({period},{fast_ema_period},{slow_ema_period})")
    def __init__(self, period: int, fast_ema_period: int = 2, slow_ema_period: int = 30) -> None:
        self._set_window(period)
        self._slow = 2.0 / (slow_ema_period + 1)
        self._spread = 2.0 / (fast_ema_period + 1) - self._slow
        self._average = 0.0

    def _compute(self, time: datetime, value: float) -> float | None:
        ratio = self._ratio(value)
        if self.samples < self.period:
            return value
        if self.samples == self.period:
            self._average = self._inputs[-2]
        smoothing = (ratio * self._spread + self._slow) ** 2
        self._average += (value - self._average) * smoothing
        return self._average

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._average = 0.0


class LeastSquaresMovingAverage(WindowIndicator):
    """The end of the regression line through the window; `slope` and `intercept` are its parts (x = 1..period)."""

    @named("LSMA({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)
        self.intercept = Output(f"{self.name}_Intercept")
        self.slope = Output(f"{self.name}_Slope")
        self._mean_x = (self.period + 1) / 2
        self._spread_x = self.period * (self.period * self.period - 1) / 12

    def _compute(self, time: datetime, value: float) -> float | None:
        inputs = self._inputs
        inputs.append(value)
        if self.samples < self.period or not self._spread_x:
            return value
        mean = math.fsum(inputs) / self.period
        slope = math.fsum((x - self._mean_x) * (y - mean) for x, y in enumerate(inputs, 1)) / self._spread_x
        intercept = mean - slope * self._mean_x
        self.intercept.push(time, intercept)
        self.slope.push(time, slope)
        return intercept + slope * self.period

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self.intercept.reset()
        self.slope.reset()


class ArnaudLegouxMovingAverage(WindowIndicator):
    """A Gaussian-weighted average, shifted to the recent end."""

    @named("ALMA({period},{sigma},{offset})")
    def __init__(self, period: int, sigma: int = 6, offset: float = 0.85) -> None:
        self._set_period(period)
        middle = math.floor(float(offset) * (self.period - 1))
        width = self.period / float(sigma)
        raw = [math.exp(-((i - middle) ** 2) / (2 * width * width)) for i in range(self.period)]
        self._weights = [item / math.fsum(raw) for item in raw]

    def _compute(self, time: datetime, value: float) -> float | None:
        self._inputs.append(value)
        if self.samples < self.period:
            return value
        return math.fsum(weight * item for weight, item in zip(self._weights, self._inputs, strict=True))

    @property
    def is_ready(self) -> bool:
        """Ready with `period` samples."""
        return self.samples >= self.period


class ZeroLagExponentialMovingAverage(WindowIndicator):
    """An exponential average of 2 x value - value half a period ago."""

    @named("ZLEMA({period})")
    def __init__(self, period: int) -> None:
        span = checked_period(self, period)
        self._lag = round((span - 1) / 2)
        self._set_period(span)
        self._inputs = deque(maxlen=self._lag + 1)
        self.warm_up_period = span + span // 2
        self._average = ExponentialMovingAverage(f"{self.name}_EMA", span)

    @property
    def is_ready(self) -> bool:
        """Ready when the inner average is."""
        return self._average.is_ready

    def _compute(self, time: datetime, value: float) -> float | None:
        self._inputs.append(value)
        if len(self._inputs) <= self._lag:
            return 0.0
        self._average.push(time, 2 * value - self._inputs[0])
        return self._average._value

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._average.reset()


_KINDS: dict[int, type[PointIndicator]] = {
    MovingAverageType.SIMPLE: SimpleMovingAverage,
    MovingAverageType.EXPONENTIAL: ExponentialMovingAverage,
    MovingAverageType.WILDERS: WilderMovingAverage,
    MovingAverageType.LINEAR_WEIGHTED_MOVING_AVERAGE: LinearWeightedMovingAverage,
    MovingAverageType.DOUBLE_EXPONENTIAL: DoubleExponentialMovingAverage,
    MovingAverageType.TRIPLE_EXPONENTIAL: TripleExponentialMovingAverage,
    MovingAverageType.TRIANGULAR: TriangularMovingAverage,
    MovingAverageType.T3: T3MovingAverage,
    MovingAverageType.KAMA: KaufmanAdaptiveMovingAverage,
    MovingAverageType.HULL: HullMovingAverage,
    MovingAverageType.ALMA: ArnaudLegouxMovingAverage,
    MovingAverageType(11): ZeroLagExponentialMovingAverage,
}


def moving_average(kind: MovingAverageType, name: str, period: int) -> PointIndicator:
    """Return the moving average of a `MovingAverageType`."""
    if kind not in _KINDS:
        raise UnsupportedLeanApi(f"MovingAverageType.{kind}", "use another average")
    maker = _KINDS[kind]
    return maker(name, period)  # type: ignore[call-arg]
