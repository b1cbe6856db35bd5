"""The values of an indicator and of its lines over a stretch of history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from llm_plugin.engine.base.names import LeanObject, snake
from llm_plugin.engine.indicators.base import IndicatorBase, IndicatorDataPoint

__all__ = ["IndicatorDataPoints", "IndicatorHistory"]


def _lines(indicator: IndicatorBase) -> dict[str, IndicatorBase]:
    return {
        name: value
        for name, value in vars(indicator).items()
        if isinstance(value, IndicatorBase) and not name.startswith("_")
    }


class IndicatorDataPoints(LeanObject):
    """All lines of an indicator at one time, by name or attribute."""

    def __init__(self, points: dict[str, IndicatorDataPoint]) -> None:
        self.__dict__.update(points)
        self.time = points["current"].time
        self.end_time = self.time

    def __getitem__(self, name: str) -> IndicatorDataPoint:
        point: IndicatorDataPoint = getattr(self, snake(name))
        return point

    def __repr__(self) -> str:
        return f"{self.time} {self['current'].value}"


class IndicatorHistory(LeanObject):
    """`history.current`, `history["signal"]`, `history.data_frame`."""

    def __init__(self, series: dict[str, list[IndicatorDataPoint]]) -> None:
        self._series = series

    @classmethod
    def collect(
        cls, indicator: IndicatorBase, points: Iterable[Any], update: Callable[[Any, Any], None]
    ) -> IndicatorHistory:
        """Feed an indicator and keep what it and its lines say once it is ready."""
        lines = _lines(indicator)
        series: dict[str, list[IndicatorDataPoint]] = {"current": [], **{name: [] for name in lines}}
        seen = 0
        for point in points:
            update(None, point)
            if indicator._produced == seen or not indicator.is_ready:
                continue
            seen = indicator._produced
            series["current"].append(indicator.current)
            for name, line in lines.items():
                series[name].append(IndicatorDataPoint(line.symbol, indicator.current.time, line._value))
        return cls(series)

    @property
    def current(self) -> list[IndicatorDataPoint]:
        """The indicator's own values."""
        return self._series["current"]

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.current)

    @property
    def data_frame(self) -> Any:
        """Times as index, one column per line."""
        import pandas as pd

        index = pd.Index([point.time for point in self.current], name="time")
        return pd.DataFrame({name: [p.value for p in points] for name, points in self._series.items()}, index=index)

    def __getitem__(self, key: Any) -> Any:
        return self._series[snake(key)] if isinstance(key, str) else self._row(key)

    def _row(self, at: int) -> IndicatorDataPoints:
        return IndicatorDataPoints({name: points[at] for name, points in self._series.items()})

    def __iter__(self) -> Iterator[IndicatorDataPoints]:
        return (self._row(at) for at in range(len(self)))

    def __len__(self) -> int:
        return len(self.current)
