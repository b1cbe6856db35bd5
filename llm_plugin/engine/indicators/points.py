"""A time with a value, and results with a status."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from llm_plugin.engine.base.names import LeanEnum, LeanObject

__all__ = ["IndicatorDataPoint", "IndicatorResult", "IndicatorStatus", "point_of"]

MIN_TIME = datetime(1, 1, 1)


class IndicatorDataPoint(LeanObject):
    """A time and a value: `IndicatorDataPoint(time, value)` or `IndicatorDataPoint(symbol, time, value)`."""

    __slots__ = ("is_fill_forward", "symbol", "time", "value")

    def __init__(self, *args: Any) -> None:
        if len(args) not in (0, 2, 3):
            raise TypeError(f"IndicatorDataPoint takes (time, value) or (symbol, time, value), not {args!r}")
        self.symbol: Any = args[0] if len(args) == 3 else None
        self.time: datetime = args[-2] if args else MIN_TIME
        self.value: float = args[-1] if args else 0.0
        self.is_fill_forward = False

    @property
    def end_time(self) -> datetime:
        """The same as `time`."""
        return self.time

    @end_time.setter
    def end_time(self, time: datetime) -> None:
        self.time = time

    @property
    def price(self) -> float:
        """The same as `value`."""
        return self.value

    def __float__(self) -> float:
        return float(self.value)

    def _compared(self, other: object) -> Any:
        if isinstance(other, IndicatorDataPoint):
            return other.value
        return other

    def __lt__(self, other: object) -> bool:
        return bool(self.value < self._compared(other))

    def __le__(self, other: object) -> bool:
        return bool(self.value <= self._compared(other))

    def __gt__(self, other: object) -> bool:
        return bool(self.value > self._compared(other))

    def __ge__(self, other: object) -> bool:
        return bool(self.value >= self._compared(other))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, IndicatorDataPoint):
            return self.time == other.time and self.value == other.value
        return bool(self.value == other)

    def __hash__(self) -> int:
        return hash((self.time, self.value))

    def __repr__(self) -> str:
        return f"{self.time} - {self.value}"


def point_of(symbol: Any, time: datetime, value: float) -> IndicatorDataPoint:
    """Return a point, without the constructor's look at its arguments."""
    point = IndicatorDataPoint.__new__(IndicatorDataPoint)
    point.symbol = symbol
    point.time = time
    point.value = value
    point.is_fill_forward = False
    return point


class IndicatorStatus(LeanEnum):
    """Why an indicator has no new value."""

    SUCCESS = 0
    INVALID_INPUT = 1
    MATH_ERROR = 2
    VALUE_NOT_READY = 3


class IndicatorResult(LeanObject):
    """A value with a status; anything but success leaves the indicator's current value as it is."""

    __slots__ = ("status", "value")

    def __init__(self, value: float, status: IndicatorStatus = IndicatorStatus.SUCCESS) -> None:
        self.value = float(value)
        self.status = status
