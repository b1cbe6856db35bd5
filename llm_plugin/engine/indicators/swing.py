"""Wilder's swing index and its running sum."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from llm_plugin.engine.indicators.base import BarIndicator, named

__all__ = ["WilderAccumulativeSwingIndex", "WilderSwingIndex"]


class WilderSwingIndex(BarIndicator):
    """How strongly the price swung, in units of a limit move."""

    needs = ("open", "high", "low", "close")

    @named("SI")
    def __init__(self, limit_move: float) -> None:
        self.warm_up_period = 2
        self._limit = abs(float(limit_move))
        self._before: tuple[float, float] | None = None

    @property
    def is_ready(self) -> bool:
        """Ready with two samples."""
        return self.samples > 1

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        first, high, low, close = float(bar.open), float(bar.high), float(bar.low), float(bar.close)
        before, self._before = self._before, (first, close)
        if before is None:
            return 0.0
        opened, closed = before
        up, down, width = abs(high - closed), abs(low - closed), abs(high - low)
        body = abs(0.25 * (closed - opened))
        if up >= down and up >= width:
            span = up - 0.5 * down + body
        elif down >= width:
            span = down - 0.5 * up + body
        else:
            span = width + body
        if span == 0 or self._limit == 0:
            return 0.0
        move = (close - closed) + 0.5 * (close - first) + 0.25 * (closed - opened)
        return 50 * move / span * max(up, down) / self._limit

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._before = None


class WilderAccumulativeSwingIndex(BarIndicator):
    """The running sum of the swing index."""

    needs = ("open", "high", "low", "close")

    @named("ASI")
    def __init__(self, limit_move: float) -> None:
        self.warm_up_period = 2
        self._index = WilderSwingIndex(limit_move)

    @property
    def is_ready(self) -> bool:
        """Ready with two samples."""
        return self.samples > 1

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        return self._value + self._index._value if self._index.push_bar(bar) else 0.0

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._index.reset()
