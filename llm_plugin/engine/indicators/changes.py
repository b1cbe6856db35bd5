"""Changes over time, extremes and dispersion of single values."""

from __future__ import annotations

import math
from collections import deque
from datetime import datetime

from llm_plugin.engine.indicators.averages import SimpleMovingAverage, WindowIndicator, checked_period
from llm_plugin.engine.indicators.base import PointIndicator, named

__all__ = [
    "LogReturn",
    "Maximum",
    "MeanAbsoluteDeviation",
    "Minimum",
    "Momentum",
    "MomentumPercent",
    "RateOfChange",
    "RateOfChangePercent",
    "RateOfChangeRatio",
    "StandardDeviation",
    "Variance",
]


class _Change(PointIndicator):
    """Something between now and `period` samples ago; until then, the oldest sample there is."""

    def _set_period(self, period: int) -> None:
        self.period = checked_period(self, period)
        self.warm_up_period = self.period + 1
        self._held: deque[float] = deque(maxlen=self.period + 1)

    @property
    def is_ready(self) -> bool:
        """Ready with period + 1 samples."""
        return self.samples > self.period

    def _compute(self, time: datetime, value: float) -> float | None:
        self._held.append(value)
        return self._between(self._held[0], value)

    def _between(self, then: float, now: float) -> float:
        raise NotImplementedError

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._held.clear()


class Momentum(_Change):
    """The difference."""

    @named("MOM({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)

    def _between(self, then: float, now: float) -> float:
        return now - then


class RateOfChange(_Change):
    """The relative change, as a fraction."""

    @named("ROC({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)

    def _between(self, then: float, now: float) -> float:
        return (now - then) / then if then else 0.0


class RateOfChangePercent(RateOfChange):
    """The relative change in percent."""

    @named("ROCP({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)

    def _between(self, then: float, now: float) -> float:
        return super()._between(then, now) * 100


class MomentumPercent(RateOfChangePercent):
    """The relative change in percent."""

    @named("MOMP({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)


class RateOfChangeRatio(_Change):
    """Now over then."""

    @named("ROCR({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)

    def _between(self, then: float, now: float) -> float:
        return now / then if then else 0.0


class LogReturn(_Change):
    """The natural logarithm of now over then; ready one sample earlier than its relatives, as in LEAN."""

    @named("LOGR({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)
        self.warm_up_period = self.period

    @property
    def is_ready(self) -> bool:
        """Ready with `period` samples."""
        return self.samples >= self.period

    def _between(self, then: float, now: float) -> float:
        return math.log(now / then) if then > 0 and now > 0 else 0.0


class Maximum(WindowIndicator):
    """The highest value of the window; `periods_since_maximum` counts from the newest of equals."""

    @named("MAX({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)
        self.periods_since_maximum = 0

    def _compute(self, time: datetime, value: float) -> float | None:
        self._inputs.append(value)
        if self.samples == 1 or value >= self._value:
            self.periods_since_maximum = 0
            return value
        if self.periods_since_maximum < self.period - 1:
            self.periods_since_maximum += 1
            return self._value
        best = max(self._inputs)
        self.periods_since_maximum = list(reversed(self._inputs)).index(best)
        return best

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self.periods_since_maximum = 0


class Minimum(WindowIndicator):
    """The lowest value of the window; `periods_since_minimum` counts from the newest of equals."""

    @named("MIN({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)
        self.periods_since_minimum = 0

    def _compute(self, time: datetime, value: float) -> float | None:
        self._inputs.append(value)
        if self.samples == 1 or value <= self._value:
            self.periods_since_minimum = 0
            return value
        if self.periods_since_minimum < self.period - 1:
            self.periods_since_minimum += 1
            return self._value
        best = min(self._inputs)
        self.periods_since_minimum = list(reversed(self._inputs)).index(best)
        return best

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self.periods_since_minimum = 0


class Variance(WindowIndicator):
    """The population variance of the window."""

    @named("VAR({period})")
    def __init__(self, period: int) -> None:
        self._start_variance(period)

    def _start_variance(self, period: int) -> None:
        self._set_period(period)
        self._base = self._sum = self._squares = 0.0
        self._until_exact = 0

    def _rebase(self) -> None:
        # Deviations from a near value keep the digits that x*x would lose; renewed once per period.
        self._base = self._inputs[-1]
        shifted = [item - self._base for item in self._inputs]
        self._sum = math.fsum(shifted)
        self._squares = math.fsum(item * item for item in shifted)
        self._until_exact = self.period

    def _variance(self, value: float) -> float:
        inputs = self._inputs
        if len(inputs) == self.period:
            gone = inputs[0] - self._base
            self._sum -= gone
            self._squares -= gone * gone
        inputs.append(value)
        shifted = value - self._base
        self._sum += shifted
        self._squares += shifted * shifted
        self._until_exact -= 1
        if self._until_exact <= 0:
            self._rebase()
        count = len(inputs)
        if count < 2:
            return 0.0
        mean = self._sum / count
        return max(0.0, self._squares / count - mean * mean)

    def _compute(self, time: datetime, value: float) -> float | None:
        return self._variance(value)

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._base = self._sum = self._squares = 0.0
        self._until_exact = 0


class StandardDeviation(Variance):
    """The population standard deviation of the window."""

    @named("STD({period})")
    def __init__(self, period: int) -> None:
        self._start_variance(period)

    def _compute(self, time: datetime, value: float) -> float | None:
        return math.sqrt(self._variance(value))


class MeanAbsoluteDeviation(WindowIndicator):
    """The mean distance from the mean."""

    @named("MAD({period})")
    def __init__(self, period: int) -> None:
        self._set_period(period)
        self.mean = SimpleMovingAverage(f"{self.name}_Mean", period)

    def _compute(self, time: datetime, value: float) -> float | None:
        self._inputs.append(value)
        self.mean.push(time, value)
        mean = self.mean._value
        return math.fsum(abs(item - mean) for item in self._inputs) / len(self._inputs) if self.samples > 1 else 0.0

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self.mean.reset()
