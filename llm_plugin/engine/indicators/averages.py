"""Moving averages and the sums behind them."""

from __future__ import annotations

import math
from collections import deque
from datetime import datetime
from typing import Any

from llm_plugin.engine.indicators.base import Output, PointIndicator, named

__all__ = [
    "DoubleExponentialMovingAverage",
    "ExponentialMovingAverage",
    "HullMovingAverage",
    "LinearWeightedMovingAverage",
    "SimpleMovingAverage",
    "Sum",
    "T3MovingAverage",
    "TriangularMovingAverage",
    "TripleExponentialMovingAverage",
    "WilderMovingAverage",
    "WindowIndicator",
]


def checked_period(owner: object, period: Any) -> int:
    """Return the period as int, or raise a ValueError that names the indicator."""
    if int(period) < 1:
        raise ValueError(f"{type(owner).__name__}: the period must be at least 1, not {period}")
    return int(period)


class WindowIndicator(PointIndicator):
    """An indicator over the last `period` inputs; ready with `period` samples."""

    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self._set_period(period)

    def _set_period(self, period: int) -> None:
        self.period = checked_period(self, period)
        self.warm_up_period = self.period
        self._inputs: deque[float] = deque(maxlen=self.period)

    @property
    def is_ready(self) -> bool:
        """Ready with `period` samples."""
        return self.samples >= self.period

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._inputs.clear()


class Sum(WindowIndicator):
    """The sum of the last `period` values."""

    @named("SUM({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)
        self._total = self._lost = 0.0

    def _rolled(self, value: float) -> float:
        # What each addition loses is kept: LEAN's sums are exact, and a mean of equal prices must be that price.
        inputs, total = self._inputs, self._total
        if len(inputs) == self.period:
            old = inputs[0]
            less = total - old
            self._lost += (total - less) - old if abs(total) >= abs(old) else total - (old + less)
            total = less
        inputs.append(value)
        more = total + value
        self._lost += (total - more) + value if abs(total) >= abs(value) else (value - more) + total
        self._total = more
        return more + self._lost

    def _compute(self, time: datetime, value: float) -> float | None:
        return self._rolled(value)

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._total = self._lost = 0.0


class SimpleMovingAverage(Sum):
    """The mean of the last `period` values (of those that exist, before it is ready)."""

    @named("SMA({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)
        self._total = self._lost = 0.0
        self._sum_line: Output | None = None

    @property
    def rolling_sum(self) -> Output:
        """The sum behind the average."""
        line = self._sum_line
        if line is None:
            line = self._sum_line = Output(f"{self.name}_Sum", lambda: self.is_ready)
            line._value, line._time, line.samples = self._total + self._lost, self._time, self.samples
        return line

    def _compute(self, time: datetime, value: float) -> float | None:
        total = self._rolled(value)
        if self._sum_line is not None:
            self._sum_line.push(time, total)
        return total / len(self._inputs)


class ExponentialMovingAverage(PointIndicator):
    """Exponential average; 0 until `period` samples, seeded with their mean."""

    @named("EMA({period})")
    def __init__(self, period: int, smoothing_factor: float | None = None) -> None:
        self.period = self.warm_up_period = checked_period(self, period)
        self._weight = float(smoothing_factor) if smoothing_factor is not None else 2.0 / (1 + self.period)
        self._seed: list[float] = []

    @staticmethod
    def smoothing_factor_default(period: int) -> float:
        """The usual weight of the newest value, 2 / (period + 1)."""
        return 2.0 / (1 + period)

    @property
    def is_ready(self) -> bool:
        """Ready with `period` samples."""
        return self.samples >= self.period

    def _compute(self, time: datetime, value: float) -> float | None:
        if self.samples > self.period:
            weight = self._weight
            return value * weight + self._value * (1 - weight)
        self._seed.append(value)
        if self.samples < self.period:
            return 0.0
        seed = math.fsum(self._seed) / self.period
        self._seed.clear()
        return seed

    def compute_many(self, values: list[float]) -> list[float | None]:
        """Compute values in a row and keep the state that they lead to; nobody is told of them."""
        if self.samples < self.period:
            return super().compute_many(values)
        weight, rest, last, found = self._weight, 1 - self._weight, self._value, []
        for value in values:
            last = value * weight + last * rest
            found.append(last)
        self.samples += len(values)
        self._value = last
        return found  # type: ignore[return-value]

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._seed.clear()


class WilderMovingAverage(PointIndicator):
    """Wilder's average (weight 1 / period); the mean of what exists until it is ready."""

    @named("WWMA{period}")
    def __init__(self, period: int) -> None:
        self.period = self.warm_up_period = checked_period(self, period)
        self._weight = 1.0 / self.period
        self._total = 0.0

    @property
    def is_ready(self) -> bool:
        """Ready with `period` samples."""
        return self.samples >= self.period

    def _compute(self, time: datetime, value: float) -> float | None:
        if self.samples >= self.period:
            return value * self._weight + self._value * (1 - self._weight)
        self._total += value
        return self._total / self.samples

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._total = 0.0


class LinearWeightedMovingAverage(WindowIndicator):
    """The newest value counts `period` times, the oldest once."""

    @named("LWMA({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)
        self._denominator = self.period * (self.period + 1) // 2

    def _compute(self, time: datetime, value: float) -> float | None:
        self._inputs.append(value)
        if self.samples < self.period:
            return 0.0
        return math.fsum(weight * item for weight, item in enumerate(self._inputs, 1)) / self._denominator


class HullMovingAverage(PointIndicator):
    """A weighted average of 2 x fast - slow weighted averages."""

    @named("HMA({period})")
    def __init__(self, period: int) -> None:
        if period < 2:
            raise ValueError(f"HullMovingAverage: the period must be at least 2, not {period}")
        root = round(math.sqrt(period))
        self._slow = LinearWeightedMovingAverage(period)
        self._fast = LinearWeightedMovingAverage(round(period / 2))
        self._hull = LinearWeightedMovingAverage(root)
        self.warm_up_period = period + root - 1

    @property
    def is_ready(self) -> bool:
        """Ready when the outer average is."""
        return self._hull.is_ready

    def _compute(self, time: datetime, value: float) -> float | None:
        fast_ready = self._fast.push(time, value)
        if self._slow.push(time, value) and fast_ready:
            self._hull.push(time, 2 * self._fast._value - self._slow._value)
        return self._hull._value

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        for part in (self._slow, self._fast, self._hull):
            part.reset()


class _EmaChain(PointIndicator):
    """Exponential averages, each fed by the one before as soon as that is ready."""

    def _set_chain(self, period: int, length: int) -> None:
        self.period = checked_period(self, period)
        self._chain = [ExponentialMovingAverage(f"{self.name}_{i + 1}", period) for i in range(length)]
        self.warm_up_period = length * (self.period - 1) + 1

    def _feed(self, time: datetime, value: float) -> None:
        for average in self._chain:
            if not average.push(time, value):
                return
            value = average._value

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        for average in self._chain:
            average.reset()


class DoubleExponentialMovingAverage(_EmaChain):
    """(v + 1) x EMA - v x EMA of EMA; v is 1 unless given."""

    @named("DEMA({period})")
    def __init__(self, period: int, volume_factor: float = 1.0) -> None:
        self._set_chain(period, 2)
        self._factor = float(volume_factor)

    @property
    def is_ready(self) -> bool:
        """Ready with 2 x period - 1 samples."""
        return self.samples > 2 * (self.period - 1)

    def _compute(self, time: datetime, value: float) -> float | None:
        self._feed(time, value)
        first, second = self._chain
        if not first.is_ready:
            return first._value
        return (self._factor + 1) * first._value - self._factor * second._value


class TripleExponentialMovingAverage(_EmaChain):
    """3 x EMA1 - 3 x EMA2 + EMA3; 0 until it is ready."""

    @named("TEMA({period})")
    def __init__(self, period: int) -> None:
        self._set_chain(period, 3)

    @property
    def is_ready(self) -> bool:
        """Ready when the third average is."""
        return self._chain[2].is_ready

    def _compute(self, time: datetime, value: float) -> float | None:
        self._feed(time, value)
        first, second, third = self._chain
        return 3 * first._value - 3 * second._value + third._value if third.is_ready else 0.0


class T3MovingAverage(PointIndicator):
    """Three generalised double exponential averages in a row."""

    @named("T3({period},{volume_factor})")
    def __init__(self, period: int, volume_factor: float = 0.7) -> None:
        self._parts = [DoubleExponentialMovingAverage(f"{self.name}_{i}", period, volume_factor) for i in (1, 2, 3)]
        self.warm_up_period = 1 + 6 * (int(period) - 1)

    @property
    def is_ready(self) -> bool:
        """Ready when the last part is."""
        return self.samples >= self.warm_up_period

    def _compute(self, time: datetime, value: float) -> float | None:
        for part in self._parts:
            ready = part.push(time, value)
            value = part._value
            if not ready:
                break
        return value

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        for part in self._parts:
            part.reset()


class TriangularMovingAverage(PointIndicator):
    """A simple average of simple averages."""

    @named("TRIMA({period})")
    def __init__(self, period: int) -> None:
        self.period = self.warm_up_period = checked_period(self, period)
        half = (self.period + 1) // 2
        self._inner = SimpleMovingAverage(half)
        self._outer = SimpleMovingAverage(half + 1 if self.period % 2 == 0 else half)

    @property
    def is_ready(self) -> bool:
        """Ready with `period` samples."""
        return self.samples >= self.period

    def _compute(self, time: datetime, value: float) -> float | None:
        self._inner.push(time, value)
        self._outer.push(time, self._inner._value)
        return self._outer._value

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._inner.reset()
        self._outer.reset()
