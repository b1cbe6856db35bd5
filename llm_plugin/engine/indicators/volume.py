"""Indicators that need volume; they take trade bars."""

from __future__ import annotations

import math
from collections import deque
from datetime import date, datetime
from typing import Any

from llm_plugin.engine.indicators.averages import ExponentialMovingAverage, Sum, checked_period
from llm_plugin.engine.indicators.base import BarIndicator, IndicatorBase, named

__all__ = [
    "AccumulationDistribution",
    "ChaikinMoneyFlow",
    "IntradayVwap",
    "MassIndex",
    "MoneyFlowIndex",
    "OnBalanceVolume",
    "VolumeWeightedAveragePriceIndicator",
    "VolumeWeightedMovingAverage",
]

_OHLCV = ("open", "high", "low", "close", "volume")


class OnBalanceVolume(BarIndicator):
    """Volume added on a rise and taken away on a fall; starts with the first volume."""

    needs = _OHLCV

    @named("OBV")
    def __init__(self) -> None:
        self.warm_up_period = 1
        self._before: float | None = None

    @property
    def is_ready(self) -> bool:
        """Ready with one sample."""
        return self._before is not None

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        close, volume = float(bar.close), float(bar.volume)
        before, self._before = self._before, close
        if before is None:
            return volume
        sign = (close > before) - (close < before)
        return self._value + sign * volume

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._before = None


class VolumeWeightedAveragePriceIndicator(BarIndicator):
    """The mean of open, high, low and close, weighted by volume, over `period` bars."""

    needs = _OHLCV

    @named("VWAP({period})")
    def __init__(self, period: int) -> None:
        self.period = self.warm_up_period = checked_period(self, period)
        self._traded = Sum("Sum_xy", period)
        self._volume = Sum("Sum_y", period)

    @property
    def is_ready(self) -> bool:
        """Ready with `period` samples."""
        return self._traded.is_ready

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        price = (float(bar.open) + float(bar.high) + float(bar.low) + float(bar.close)) / 4
        volume = float(bar.volume)
        self._traded.push(time, price * volume)
        self._volume.push(time, volume)
        total = self._volume._value
        # Without any volume LEAN keeps the value that it had.
        return self._traded._value / total if total else self._value

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._traded.reset()
        self._volume.reset()


class VolumeWeightedMovingAverage(BarIndicator):
    """The close, weighted by volume, over `period` bars."""

    needs = _OHLCV

    @named("VWMA({period})")
    def __init__(self, period: int) -> None:
        self.period = self.warm_up_period = checked_period(self, period)
        self._traded = Sum(f"{self.name}_SumPxV", period)
        self._volume = Sum(f"{self.name}_SumVolume", period)

    @property
    def is_ready(self) -> bool:
        """Ready with `period` samples."""
        return self._traded.is_ready

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        close, volume = float(bar.close), float(bar.volume)
        self._traded.push(time, close * volume)
        self._volume.push(time, volume)
        return self._traded._value / self._volume._value if self._volume._value else close

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._traded.reset()
        self._volume.reset()


class IntradayVwap(IndicatorBase):
    """The volume-weighted typical price since the start of the day; fill-forward bars do not count."""

    def __init__(self, name: str = "VWAP") -> None:
        super().__init__(name)
        self._forget()

    def _forget(self) -> None:
        self._date: date | None = None
        self._volume = self._traded = 0.0

    @property
    def is_ready(self) -> bool:
        """Ready when the day has volume."""
        return self._volume > 0

    def update(self, *args: Any) -> bool:
        """Feed a trade bar or a trade tick."""
        (bar,) = args
        if bar is self._last_input:
            return self.is_ready
        if bar.end_time < self._last_time:
            return self._refuse(bar.end_time)
        self._last_input, self._last_time, self.symbol = bar, bar.end_time, bar.symbol
        self.samples += 1
        if hasattr(bar, "last_price"):
            volume, price = float(bar.quantity), float(bar.last_price)
        elif hasattr(bar, "volume") and not bar.is_fill_forward:
            volume, price = float(bar.volume), (float(bar.high) + float(bar.low) + float(bar.close)) / 3
        else:
            return self.is_ready
        if bar.end_time.date() != self._date:
            self._date, self._volume, self._traded = bar.end_time.date(), 0.0, 0.0
        self._volume += volume
        self._traded += price * volume
        self._publish(bar.end_time, self._traded / self._volume if self._volume else float(bar.value))
        return self.is_ready

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._forget()


class MoneyFlowIndex(BarIndicator):
    """Money that came in on rises, in percent of all that moved; 100 when nothing left."""

    needs = _OHLCV

    @named("MFI({period})")
    def __init__(self, period: int) -> None:
        self.period = self.warm_up_period = checked_period(self, period)
        self._inflow = Sum(f"{self.name}_PositiveMoneyFlow", period)
        self._outflow = Sum(f"{self.name}_NegativeMoneyFlow", period)
        self._before = 0.0

    @property
    def is_ready(self) -> bool:
        """Ready with `period` samples."""
        return self._inflow.is_ready

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        typical = (float(bar.high) + float(bar.low) + float(bar.close)) / 3
        flow = typical * float(bar.volume)
        # The first bar counts as a rise from 0, as in LEAN.
        before, self._before = self._before, typical
        self._inflow.push(time, flow if typical > before else 0.0)
        self._outflow.push(time, flow if typical < before else 0.0)
        total = self._inflow._value + self._outflow._value
        return 100 * self._inflow._value / total if total else 100.0

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._inflow.reset()
        self._outflow.reset()
        self._before = 0.0


def _flow(bar: Any) -> float:
    high, low, close = float(bar.high), float(bar.low), float(bar.close)
    return ((close - low) - (high - close)) / (high - low) * float(bar.volume) if high != low else 0.0


class AccumulationDistribution(BarIndicator):
    """The running sum of volume x where the close stands in its range."""

    needs = _OHLCV

    @named("AD")
    def __init__(self) -> None:
        self.warm_up_period = 1

    @property
    def is_ready(self) -> bool:
        """Ready with one sample."""
        return self.samples > 0

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        return self._value + _flow(bar)


class ChaikinMoneyFlow(BarIndicator):
    """Accumulation / distribution over `period` bars, divided by their volume."""

    needs = _OHLCV

    @named("CMF({period})")
    def __init__(self, period: int) -> None:
        self.period = self.warm_up_period = checked_period(self, period)
        self._flows: deque[float] = deque(maxlen=self.period)
        self._volumes: deque[float] = deque(maxlen=self.period)

    @property
    def is_ready(self) -> bool:
        """Ready with `period` samples."""
        return len(self._flows) == self.period

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        self._flows.append(_flow(bar))
        self._volumes.append(float(bar.volume))
        volume = math.fsum(self._volumes)
        return math.fsum(self._flows) / volume if self.is_ready and volume else 0.0

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._flows.clear()
        self._volumes.clear()


class MassIndex(BarIndicator):
    """The sum of ratios of a once and a twice averaged range."""

    @named("MASS({ema_period},{sum_period})")
    def __init__(self, ema_period: int = 9, sum_period: int = 25) -> None:
        self._once = ExponentialMovingAverage(f"{self.name}_EMA1", ema_period)
        self._twice = ExponentialMovingAverage(f"{self.name}_EMA2", ema_period)
        self._sum = Sum(f"{self.name}_Sum", sum_period)
        self.warm_up_period = 2 * (int(ema_period) - 1) + int(sum_period)

    @property
    def is_ready(self) -> bool:
        """Ready when the sum is."""
        return self._sum.is_ready

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        if self._once.push(time, float(bar.high) - float(bar.low)):
            self._twice.push(time, self._once._value)
        if self._twice.is_ready and self._twice._value:
            self._sum.push(time, self._once._value / self._twice._value)
        return self._sum._value if self._sum.is_ready else float(self._sum.period)

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        for part in (self._once, self._twice, self._sum):
            part.reset()
