"""Bands and channels around a middle line."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from llm_plugin.engine.base.enums import MovingAverageType
from llm_plugin.engine.indicators.adaptive import LeastSquaresMovingAverage, moving_average
from llm_plugin.engine.indicators.bars import AverageTrueRange
from llm_plugin.engine.indicators.base import BarIndicator, Output, PointIndicator, named
from llm_plugin.engine.indicators.changes import Maximum, Minimum, StandardDeviation

__all__ = ["BollingerBands", "DonchianChannel", "KeltnerChannels", "RegressionChannel"]


class BollingerBands(PointIndicator):
    """A middle average with bands of k standard deviations; the current value is the input itself."""

    @named("BB({period},{k})")
    def __init__(
        self, period: int, k: float, moving_average_type: MovingAverageType = MovingAverageType.SIMPLE
    ) -> None:
        self.moving_average_type = moving_average_type
        self.warm_up_period = int(period)
        self._k = float(k)
        self.standard_deviation = StandardDeviation(f"{self.name}_StandardDeviation", period)
        self.middle_band = moving_average(moving_average_type, f"{self.name}_MiddleBand", period)
        both = self._parts_ready
        self.upper_band = Output(f"{self.name}_UpperBand", both)
        self.lower_band = Output(f"{self.name}_LowerBand", both)
        self.band_width = Output(f"{self.name}_BandWidth", both)
        self.percent_b = Output(f"{self.name}_%B", both)
        self.price = Output(f"{self.name}_Close")

    def _parts_ready(self) -> bool:
        return self.standard_deviation.is_ready and self.middle_band.is_ready

    @property
    def is_ready(self) -> bool:
        """Ready when the middle band and the deviation are."""
        return self._parts_ready()

    def _compute(self, time: datetime, value: float) -> float | None:
        self.standard_deviation.push(time, value)
        self.middle_band.push(time, value)
        deviation, middle = self.standard_deviation._value, self.middle_band._value
        upper, lower = middle + self._k * deviation, middle - self._k * deviation
        self.upper_band.push(time, upper)
        self.lower_band.push(time, lower)
        self.price.push(time, value)
        if middle:
            self.band_width.push(time, 100 * (upper - lower) / middle)
        if upper != lower:
            self.percent_b.push(time, (value - lower) / (upper - lower))
        # LEAN reports a math error, and keeps the old value, when there is no deviation to divide by.
        return None if self._parts_ready() and deviation == 0 else value

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        for part in (self.standard_deviation, self.middle_band, self.upper_band, self.lower_band):
            part.reset()
        for part in (self.band_width, self.percent_b, self.price):
            part.reset()


class RegressionChannel(PointIndicator):
    """The regression line's end with bands of k standard deviations."""

    @named("RC({period},{k})")
    def __init__(self, period: int, k: float) -> None:
        self._k = float(k)
        self.warm_up_period = int(period)
        self._deviation = StandardDeviation(period)
        self.linear_regression = LeastSquaresMovingAverage(f"{self.name}_LinearRegression", period)
        self.upper_channel = Output(f"{self.name}_UpperChannel", lambda: self.is_ready)
        self.lower_channel = Output(f"{self.name}_LowerChannel", lambda: self.is_ready)

    @property
    def slope(self) -> Output:
        """The line's slope."""
        return self.linear_regression.slope

    @property
    def intercept(self) -> Output:
        """The line's value at x = 0."""
        return self.linear_regression.intercept

    @property
    def is_ready(self) -> bool:
        """Ready with `period` samples."""
        return self._deviation.is_ready and self.linear_regression.is_ready

    def _compute(self, time: datetime, value: float) -> float | None:
        self._deviation.push(time, value)
        self.linear_regression.push(time, value)
        line, width = self.linear_regression._value, self._k * self._deviation._value
        self.upper_channel.push(time, line + width)
        self.lower_channel.push(time, line - width)
        return line

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        for part in (self._deviation, self.linear_regression, self.upper_channel, self.lower_channel):
            part.reset()


class DonchianChannel(BarIndicator):
    """The highest high and lowest low; the current value is their middle."""

    @named("DCH({upper_period},{upper_period})")
    def __init__(self, upper_period: int, lower_period: int | None = None) -> None:
        lower = upper_period if lower_period is None else lower_period
        self.warm_up_period = max(int(upper_period), int(lower))
        self.upper_band = Maximum(f"{self.name}_UpperBand", upper_period)
        self.lower_band = Minimum(f"{self.name}_LowerBand", lower)

    @property
    def is_ready(self) -> bool:
        """Ready when both bands are."""
        return self.upper_band.is_ready and self.lower_band.is_ready

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        self.upper_band.push(time, float(bar.high))
        self.lower_band.push(time, float(bar.low))
        return (self.upper_band._value + self.lower_band._value) / 2

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self.upper_band.reset()
        self.lower_band.reset()


class KeltnerChannels(BarIndicator):
    """An average of the typical price with bands of k (simple) average true ranges."""

    @named("KC({period},{k})")
    def __init__(
        self, period: int, k: float, moving_average_type: MovingAverageType = MovingAverageType.SIMPLE
    ) -> None:
        self.warm_up_period = int(period)
        self._k = float(k)
        self.average_true_range = AverageTrueRange(f"{self.name}_AverageTrueRange", period, MovingAverageType.SIMPLE)
        self.middle_band = moving_average(moving_average_type, f"{self.name}_MiddleBand", period)
        self.upper_band = Output(f"{self.name}_UpperBand", lambda: self.middle_band.is_ready)
        self.lower_band = Output(f"{self.name}_LowerBand", lambda: self.middle_band.is_ready)

    @property
    def is_ready(self) -> bool:
        """Ready when the middle band and the range are."""
        return self.middle_band.is_ready and self.average_true_range.is_ready

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        self.average_true_range.push_bar(bar)
        ready = self.middle_band.push(time, (float(bar.high) + float(bar.low) + float(bar.close)) / 3)
        middle, width = self.middle_band._value, self._k * self.average_true_range._value
        self.lower_band.push(time, middle - width if ready else 0.0)
        self.upper_band.push(time, middle + width if ready else 0.0)
        return middle

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        for part in (self.average_true_range, self.middle_band, self.upper_band, self.lower_band):
            part.reset()
