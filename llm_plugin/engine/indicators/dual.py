"""Indicators of two symbols."""

from __future__ import annotations

import math
from collections import deque
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.engine.indicators.averages import checked_period
from llm_plugin.engine.indicators.base import IndicatorBase

__all__ = ["Beta"]


def _floored(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - datetime(1, 1, 1)) % step if step else moment


class Beta(IndicatorBase):
    """The slope of a target's returns over a reference's: `Beta([name,] target, reference, period)`.

    A return counts when both symbols have a bar of the same time. Both must trade in one time zone.
    """

    def __init__(self, *args: Any) -> None:
        given = list(args)
        name = given.pop(0) if isinstance(given[0], str) and len(given) == 4 else None
        if isinstance(given[0], int):
            given.append(given.pop(0))
        if len(given) != 3:
            raise TypeError(f"Beta takes ([name,] target symbol, reference symbol, period), not {args!r}")
        self.target_symbol, self.reference_symbol, period = given
        self.period = checked_period(self, period)
        if self.period < 2:
            raise ValueError(f"Beta: the period must be at least 2, not {period}")
        super().__init__(name or f"B({self.period})")
        self.warm_up_period = self.period + 1
        self._forget()

    def _forget(self) -> None:
        self._step: timedelta | None = None
        self._latest: dict[Any, tuple[datetime, float]] = {}
        self._closes: dict[Any, float] = {}
        self._returns: tuple[deque[float], deque[float]] = (deque(maxlen=self.period), deque(maxlen=self.period))
        self._seen: dict[Any, datetime] = {}

    @property
    def is_ready(self) -> bool:
        """Ready with `period` returns of both."""
        return len(self._returns[0]) == self.period

    def update(self, *args: Any) -> bool:
        """Feed a bar of one of the two symbols."""
        (bar,) = args
        symbols = (self.target_symbol, self.reference_symbol)
        symbol = next((item for item in symbols if item == bar.symbol), None)
        if symbol is None:
            raise ValueError(f"Input symbol {bar.symbol} is not one of {symbols[0]} and {symbols[1]}")
        if bar is self._last_input:
            return self.is_ready
        if bar.end_time < self._seen.get(symbol, bar.end_time):
            return self._refuse(bar.end_time)
        self._last_input, self._seen[symbol] = bar, bar.end_time
        self.samples += 1
        if self._step is None:
            self._step = _resolution_step(bar.end_time - bar.time)
        self._latest[symbol] = (_floored(bar.end_time, self._step), float(bar.close))
        self._publish(bar.end_time, self._next())
        return self.is_ready

    def _next(self) -> float:
        both = [self._latest.get(item) for item in (self.target_symbol, self.reference_symbol)]
        if both[0] is None or both[1] is None or both[0][0] != both[1][0]:
            return self._value
        for symbol, now, returns in zip(("target", "reference"), both, self._returns, strict=True):
            close = now[1] if now is not None else 0.0
            before = self._closes.get(symbol)
            if before is not None:
                returns.append(close / before - 1 if before else -1.0)
            self._closes[symbol] = close
        return self._slope()

    def _slope(self) -> float:
        target, reference = self._returns
        count = len(reference)
        if count < 2:
            return 0.0
        mean_target, mean_reference = math.fsum(target) / count, math.fsum(reference) / count
        pairs = zip(target, reference, strict=True)
        together = math.fsum((x - mean_target) * (y - mean_reference) for x, y in pairs) / (count - 1)
        spread = math.fsum((y - mean_reference) ** 2 for y in reference) / (count - 1)
        return together / (spread or 1.0)

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._forget()


def _resolution_step(length: timedelta) -> timedelta:
    if length > timedelta(hours=1):
        return timedelta(days=1)
    for step in (timedelta(hours=1), timedelta(minutes=1)):
        if length >= step:
            return step
    return timedelta(0)
