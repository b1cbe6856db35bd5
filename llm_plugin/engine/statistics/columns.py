"""Series of samples as columns: a point becomes an object only where somebody asks for it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.base.json_text import RawJson
from llm_plugin.engine.base.money import format_decimal
from llm_plugin.engine.base.zones import SECOND_US, from_us
from llm_plugin.engine.results.charts import Candlestick, ChartPoint, Series, SeriesType

__all__ = ["Column", "SampledSeries"]

Ints = NDArray[Any]


class Column:
    """Points in a row, rounded as a chart shows them.

    Args:
        times: UTC microseconds.
        values: Whole units of `10 ** -scale`; or decimals, and no scale.
        scale: Decimals of a unit.
    """

    __slots__ = ("scale", "times", "values")

    def __init__(self, times: Ints, values: Ints | list[Decimal], scale: int | None = None) -> None:
        self.times, self.values, self.scale = times, values, scale

    def __bool__(self) -> bool:
        return len(self.times) > 0

    def decimals(self) -> list[Decimal]:
        """The values, without zeros at their end."""
        if self.scale is None:
            return list(self.values)
        # A copy of its own type: whole numbers beyond 64 bits are Python's.
        units = np.array(self.values)
        digits = np.full(len(units), self.scale)
        for _ in range(self.scale):
            spare = (digits > 0) & (units % 10 == 0)
            if not spare.any():
                break
            units[spare] //= 10
            digits[spare] -= 1
        return [Decimal(unit).scaleb(-shift) for unit, shift in zip(units.tolist(), digits.tolist(), strict=True)]


class SampledSeries(Series):
    """A series of LEAN's own charts.

    Args:
        name: Its name.
        kind: How it is drawn; candles of samples have one price.
        index: The chart's pane.
        unit: Unit of the values.
    """

    def __init__(self, name: str, kind: SeriesType, index: int, unit: str) -> None:
        self._parts: list[list[Any] | Column] = []
        super().__init__(name, kind, index=index, unit=unit)

    @property
    def values(self) -> list[Any]:
        """All points."""
        only = self._parts[0] if len(self._parts) == 1 else None
        if only is None or isinstance(only, Column):
            made: list[Any] = []
            for part in self._parts:
                made += self._made(part) if isinstance(part, Column) else part
            self._parts, only = [made], made
        return only

    @values.setter
    def values(self, points: list[Any]) -> None:
        self._parts = [points] if points else []

    @property
    def last_time(self) -> datetime | None:
        """When the last point was taken."""
        last = self._parts[-1] if self._parts else None
        if not last:
            return None
        return from_us(int(last.times[-1])) if isinstance(last, Column) else last[-1].time

    def append(self, point: Any) -> None:
        """Add a point."""
        if not self._parts or isinstance(self._parts[-1], Column):
            self._parts.append([point])
        else:
            self._parts[-1].append(point)

    def extend(self, column: Column) -> None:
        """Add a column of points."""
        if len(column.times):
            self._parts.append(column)

    def _append(self, point: Any) -> None:
        if self.last_time == point.time:
            self._drop_last()
        self.append(point)

    def _drop_last(self) -> None:
        last = self._parts[-1]
        if isinstance(last, Column):
            self._parts[-1] = last = Column(last.times[:-1], last.values[:-1], last.scale)
        else:
            last.pop()
        if not len(last.times if isinstance(last, Column) else last):
            self._parts.pop()

    def _made(self, column: Column) -> list[Any]:
        pairs = zip(column.times.tolist(), column.decimals(), strict=True)
        if self.series_type == SeriesType.CANDLE:
            return [Candlestick(from_us(us), value, value, value, value) for us, value in pairs]
        return [ChartPoint(from_us(us), value) for us, value in pairs]

    def points(self) -> list[tuple[datetime, Decimal]]:
        """Times and values (closes of candles)."""
        found: list[tuple[datetime, Decimal]] = []
        for part in self._parts:
            if isinstance(part, Column):
                found += zip(map(from_us, part.times.tolist()), part.decimals(), strict=True)
            else:
                found += [(point.time, point.close) for point in part]
        return found

    def to_json(self) -> dict[str, Any]:
        """The result file's form."""
        rows: list[Any] = []
        copies = 4 if self.series_type == SeriesType.CANDLE else 1
        for part in self._parts:
            if not isinstance(part, Column):
                rows += [point.to_json() for point in part]
                continue
            seconds = (part.times // SECOND_US).tolist()
            texts = map(format_decimal, part.decimals())
            rows += [RawJson(f"[{at}{f',{text}' * copies}]") for at, text in zip(seconds, texts, strict=True)]
        return {
            "name": self.name,
            "unit": self.unit,
            "index": self.index,
            "seriesType": int(self.series_type),
            "values": rows,
        }
