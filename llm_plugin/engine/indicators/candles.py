"""Indicators of single candles, and the parabolic stop."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from llm_plugin.engine.indicators.base import BarIndicator, Output, named

__all__ = ["BalanceOfPower", "HeikinAshi", "InternalBarStrength", "ParabolicStopAndReverse"]


class InternalBarStrength(BarIndicator):
    """(close - low) / (high - low)."""

    @named("IBS()")
    def __init__(self) -> None:
        self.warm_up_period = 1

    @property
    def is_ready(self) -> bool:
        """Ready with one sample."""
        return self.samples > 0

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        width = float(bar.high) - float(bar.low)
        return (float(bar.close) - float(bar.low)) / width if width else 0.5


class BalanceOfPower(BarIndicator):
    """(close - open) / (high - low)."""

    needs = ("open", "high", "low", "close")

    @named("BOP()")
    def __init__(self) -> None:
        self.warm_up_period = 1

    @property
    def is_ready(self) -> bool:
        """Ready with one sample."""
        return self.samples > 0

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        width = float(bar.high) - float(bar.low)
        return (float(bar.close) - float(bar.open)) / width if width > 0 else 0.0


class HeikinAshi(BarIndicator):
    """Smoothed candles: `open`, `high`, `low` and `close` are lines, the current value is the close."""

    needs = ("open", "high", "low", "close")

    @named("HA")
    def __init__(self) -> None:
        self.warm_up_period = 2
        self.open = Output(f"{self.name}_Open")
        self.high = Output(f"{self.name}_High")
        self.low = Output(f"{self.name}_Low")
        self.close = Output(f"{self.name}_Close")
        self.volume = Output(f"{self.name}_Volume")

    @property
    def is_ready(self) -> bool:
        """Ready with two samples."""
        return self.samples > 1

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        begin, high, low, last = float(bar.open), float(bar.high), float(bar.low), float(bar.close)
        close = (begin + high + low + last) / 4
        start = (begin + last) / 2 if self.samples == 1 else (self.open._value + self.close._value) / 2
        self.open.push(time, start)
        self.close.push(time, close)
        first_bar = self.samples == 1
        self.high.push(time, high if first_bar else max(high, start, close))
        self.low.push(time, low if first_bar else min(low, start, close))
        self.volume.push(time, float(getattr(bar, "volume", 0.0)))
        return close

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        for part in (self.open, self.high, self.low, self.close, self.volume):
            part.reset()


class ParabolicStopAndReverse(BarIndicator):
    """A stop that closes in on the price and changes sides when it is touched."""

    @named("PSAR({af_start},{af_increment},{af_max})")
    def __init__(self, af_start: float = 0.02, af_increment: float = 0.02, af_max: float = 0.2) -> None:
        self.warm_up_period = 2
        self._start_factor, self._step, self._limit = float(af_start), float(af_increment), float(af_max)
        self._forget()

    def _forget(self) -> None:
        self._side = 0
        self._stop = self._extreme = 0.0
        self._factor = self._start_factor
        self._before: tuple[float, float] | None = None

    @property
    def is_ready(self) -> bool:
        """Ready with two samples."""
        return self.samples >= 2

    def _begin(self, high: float, low: float, before: tuple[float, float]) -> None:
        down, up = before[1] - low, high - before[0]
        self._side = -1 if down > 0 and up < down else 1
        self._stop, self._extreme = (before[1], high) if self._side > 0 else (before[0], low)

    def _behind(self, stop: float, inside: tuple[float, ...]) -> float:
        return min(stop, *inside) if self._side > 0 else max(stop, *inside)

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        high, low = float(bar.high), float(bar.low)
        before, self._before = self._before, (high, low)
        if before is None:
            return float(bar.close)
        if self._side == 0:
            self._begin(high, low, before)
        touched = low <= self._stop if self._side > 0 else high >= self._stop
        if touched:
            self._side = -self._side
            inside = (before[1], low) if self._side > 0 else (before[0], high)
            result = self._behind(self._extreme, inside)
            self._factor = self._start_factor
            self._extreme = high if self._side > 0 else low
            self._stop = self._behind(result + self._factor * (self._extreme - result), inside)
            return abs(result)
        result = self._stop
        inside = (before[1], low) if self._side > 0 else (before[0], high)
        further = high > self._extreme if self._side > 0 else low < self._extreme
        if further:
            self._extreme = high if self._side > 0 else low
            self._factor = min(self._factor + self._step, self._limit)
        self._stop = self._behind(self._stop + self._factor * (self._extreme - self._stop), inside)
        return abs(result)

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._forget()
