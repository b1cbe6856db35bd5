"""Charts: LEAN's default ones and those of the user. Every value passes through LEAN's chart rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import unique
from typing import Any

from llm_plugin.engine.base.money import round_half_even, smart_rounding, to_decimal
from llm_plugin.engine.base.names import LeanEnum, LeanObject
from llm_plugin.engine.base.zones import EPOCH
from llm_plugin.engine.market.symbols import Symbol

__all__ = [
    "Candlestick",
    "CandlestickSeries",
    "Chart",
    "ChartPoint",
    "PlottingApi",
    "ScatterMarkerSymbol",
    "Series",
    "SeriesType",
    "unix_seconds",
]


@unique
class SeriesType(LeanEnum):
    """How a series is drawn."""

    LINE = 0
    SCATTER = 1
    CANDLE = 2
    BAR = 3
    FLAG = 4
    STACKED_AREA = 5
    PIE = 6
    TREEMAP = 7
    HEATMAP = 9
    SCATTER3D = 10


@unique
class ScatterMarkerSymbol(LeanEnum):
    """Shape of scatter points."""

    NONE = 0
    CIRCLE = 1
    SQUARE = 2
    DIAMOND = 3
    TRIANGLE = 4
    TRIANGLE_DOWN = 5


def unix_seconds(utc: datetime) -> int:
    """Seconds since 1970 of a naive UTC time."""
    since = utc - EPOCH
    return since.days * 86_400 + since.seconds


@dataclass(slots=True)
class ChartPoint:
    """One point of a line; naive UTC time."""

    time: datetime
    y: Decimal | None

    @property
    def close(self) -> Decimal:
        """The value that the statistics use."""
        return self.y if self.y is not None else Decimal(0)

    def to_json(self) -> list[Any]:
        """`[unix, y]`."""
        return [unix_seconds(self.time), self.y]


@dataclass(slots=True)
class Candlestick:
    """One candle; naive UTC time."""

    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    def to_json(self) -> list[Any]:
        """`[unix, open, high, low, close]`."""
        return [unix_seconds(self.time), self.open, self.high, self.low, self.close]


def _rounded(value: Any) -> Decimal:
    return smart_rounding(to_decimal(value))


class Series(LeanObject):
    """A named line of points: `Series(name, series_type=LINE, index_or_unit=0, ...)`."""

    def __init__(
        self,
        name: str = "",
        series_type: SeriesType = SeriesType.LINE,
        *args: Any,
        index: int = 0,
        unit: str = "$",
        color: Any = None,
        scatter_marker_symbol: ScatterMarkerSymbol = ScatterMarkerSymbol.NONE,
    ) -> None:
        self.name = name
        self.series_type = series_type
        self.index = index
        self.unit = unit
        self.color = color
        self.scatter_marker_symbol = scatter_marker_symbol
        self.values: list[Any] = []
        for value in args:
            # LEAN's overloads differ by type only: int = index, str = unit, the rest colour and marker.
            if isinstance(value, ScatterMarkerSymbol):
                self.scatter_marker_symbol = value
            elif isinstance(value, bool):
                raise TypeError(f"Series {name!r}: {value!r} is neither index, unit, colour nor marker")
            elif isinstance(value, int):
                self.index = int(value)
            elif isinstance(value, str):
                self.unit = value
            else:
                self.color = value

    def add_point(self, time: datetime, value: Any) -> None:
        """Append a point; one at the time of the last replaces it."""
        self._append(ChartPoint(time, _rounded(value)))

    def _append(self, point: Any) -> None:
        if self.values and self.values[-1].time == point.time:
            self.values[-1] = point
        else:
            self.values.append(point)

    def points(self) -> list[tuple[datetime, Decimal]]:
        """Times and values (closes of candles)."""
        return [(point.time, point.close) for point in self.values]

    def to_json(self) -> dict[str, Any]:
        """The result file's form."""
        result: dict[str, Any] = {
            "name": self.name,
            "unit": self.unit,
            "index": self.index,
            "seriesType": int(self.series_type),
            "values": [point.to_json() for point in self.values],
        }
        if self.scatter_marker_symbol:
            result["scatterMarkerSymbol"] = str(self.scatter_marker_symbol).lower()
        return result


class CandlestickSeries(Series):
    """A series of candles."""

    def __init__(self, name: str = "", *args: Any, index: int = 0, unit: str = "$") -> None:
        super().__init__(name, SeriesType.CANDLE, *args, index=index, unit=unit)

    def add_point(self, *args: Any) -> None:
        """Append `(time, open, high, low, close)` or a bar."""
        if len(args) == 1:
            bar = args[0]
            args = (bar.end_time, bar.open, bar.high, bar.low, bar.close)
        time, *values = args
        if len(values) != 4:
            raise TypeError(f"a candle needs time, open, high, low, close; got {args!r}")
        self._append(Candlestick(time, *(_rounded(value) for value in values)))


class Chart(LeanObject):
    """A named set of series."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.series: dict[str, Series] = {}

    def add_series(self, series: Series) -> None:
        """Add a series; its name must be new."""
        if series.name in self.series:
            raise ValueError(f"Chart {self.name!r} has a series {series.name!r} already")
        self.series[series.name] = series

    def get_or_add(self, name: str, kind: SeriesType, index: int, unit: str) -> Series:
        """Return the series of that name, made if needed."""
        series = self.series.get(name)
        if series is None:
            if kind == SeriesType.CANDLE:
                series = CandlestickSeries(name, index=index, unit=unit)
            else:
                series = Series(name, kind, index=index, unit=unit)
            self.series[name] = series
        return series

    def to_json(self) -> dict[str, Any]:
        """The result file's form."""
        series = {name: item.to_json() for name, item in self.series.items()}
        return {"name": self.name, "chartType": 0, "series": series}


# The charts that the engine writes: these series of them, or all.
_RESERVED: dict[str, frozenset[str]] = {
    "Strategy Equity": frozenset({"Equity", "Return"}),
    "Capacity": frozenset({"Strategy Capacity"}),
    "Drawdown": frozenset({"Equity Drawdown"}),
    "Benchmark": frozenset({"Benchmark"}),
    "Portfolio Turnover": frozenset({"Portfolio Turnover"}),
    "Assets Sales Volume": frozenset(),
    "Exposure": frozenset(),
    "Portfolio Margin": frozenset(),
}


def _refuse_reserved(chart: str, series: str) -> None:
    taken = _RESERVED.get(chart)
    if taken is not None and (not taken or series in taken):
        what = f"{series!r} is a reserved series name of chart" if taken else "reserved chart name:"
        raise ValueError(f"plot: {what} {chart!r}; choose another name")


def _number(value: Any) -> Decimal | None:
    current = getattr(value, "current", None)
    return to_decimal(current.value if current is not None else value)


class PlottingApi(LeanObject):
    """The plotting part of QCAlgorithm: `plot`, `add_chart`, `plot_indicator`, `record`.

    The class that mixes it in provides `utc_time`, `is_warming_up`, `live_mode` and `debug`.
    """

    utc_time: datetime
    is_warming_up: bool
    live_mode: bool
    debug: Callable[[Any], None]
    _user_charts: dict[str, Chart] | None = None

    @property
    def user_charts(self) -> dict[str, Chart]:
        """The charts that user code made, by name."""
        if self._user_charts is None:
            self._user_charts = {}
        return self._user_charts

    def add_chart(self, chart: Chart) -> None:
        """Register a chart with its series."""
        self.user_charts[chart.name] = chart

    def plot(self, *args: Any) -> None:
        """`plot([chart,] series, value | bar | o, h, l, c)` or `plot(chart, indicator, ...)`."""
        chart_name, series_name, values = self._plot_target(args)
        if values is None:
            for indicator in args[1:]:
                self.plot(chart_name, indicator.name, indicator)
            return
        _refuse_reserved(chart_name, series_name)
        if self.live_mode and self.is_warming_up:
            self._tell_of_warm_up()
            return
        chart = self.user_charts.setdefault(chart_name, Chart(chart_name))
        bar = values[0]
        if len(values) == 4:
            self._candle(chart, series_name, values)
        elif hasattr(bar, "open") and hasattr(bar, "high") and not hasattr(bar, "current"):
            self._candle(chart, series_name, [bar.open, bar.high, bar.low, bar.close])
        else:
            series = chart.get_or_add(series_name, SeriesType.LINE, 0, "")
            series.add_point(self.utc_time, _number(bar))

    def _tell_of_warm_up(self) -> None:
        if not self.__dict__.get("_told_of_warm_up", False):
            self.__dict__["_told_of_warm_up"] = True
            self.debug("Plotting is disabled during algorithm warmup in live trading.")

    def _candle(self, chart: Chart, series_name: str, values: Iterable[Any]) -> None:
        series = chart.get_or_add(series_name, SeriesType.CANDLE, 0, "$")
        if not isinstance(series, CandlestickSeries):
            raise TypeError(f"series {series_name!r} of chart {chart.name!r} is no candlestick series")
        series.add_point(self.utc_time, *values)

    @staticmethod
    def _plot_target(args: tuple[Any, ...]) -> tuple[str, str, list[Any] | None]:
        given = [str(item) if isinstance(item, Symbol) else item for item in args[:2]] + list(args[2:])
        named = sum(isinstance(item, str) for item in given[:2]) if given and isinstance(given[0], str) else 0
        rest = given[named:]
        if named == 2 and len(rest) in (1, 4):
            return given[0], given[1], rest
        if named == 1 and rest and all(hasattr(item, "is_ready") for item in rest):
            return given[0], "", None
        if named == 1 and len(rest) in (1, 4):
            return "Strategy Equity", given[0], rest
        raise TypeError(
            "plot takes (series, value), (chart, series, value), ([chart,] series, open, high, low, close) "
            f"or (chart, indicator, ...), not {args!r}"
        )

    def add_series(self, chart: str, series: str, series_type: SeriesType, unit: str = "$") -> None:
        """Add a series to a chart, which is made if needed; a series of that name is replaced."""
        kind = SeriesType(series_type)
        candles = kind == SeriesType.CANDLE
        made = CandlestickSeries(series, unit=unit) if candles else Series(series, kind, unit=unit)
        self.user_charts.setdefault(chart, Chart(chart)).series[series] = made

    def record(self, series: str, value: Any) -> None:
        """`plot(series, value)` in older algorithms."""
        self.plot(series, value)

    def plot_indicator(self, chart: str, *args: Any) -> None:
        """Plot indicators whenever they change; a first boolean waits until they are ready."""
        indicators = list(args)
        wait = indicators.pop(0) if indicators and isinstance(indicators[0], bool) else False
        for indicator in indicators:
            self._follow(chart, indicator, wait)

    def _follow(self, chart: str, indicator: Any, wait: bool) -> None:
        def on_update(sender: Any, point: Any) -> None:
            if not wait or indicator.is_ready:
                self.plot(chart, indicator.name, indicator)

        indicator.updated += on_update


class EquityCandle:
    """The candle of the portfolio value since the last sample."""

    __slots__ = ("close", "high", "low", "open")

    def __init__(self, value: Decimal) -> None:
        self.open = self.high = self.low = self.close = round_half_even(value, 4)

    def update(self, value: Decimal) -> None:
        """Take a new value into account."""
        value = round_half_even(value, 4)
        if value > self.high:
            self.high = value
        elif value < self.low:
            self.low = value
        self.close = value


def merged_charts(own: Mapping[str, Chart], users: Mapping[str, Chart]) -> dict[str, Chart]:
    """The engine's charts and the user's; a chart of both has the series of both."""
    result = dict(own)
    for name, chart in users.items():
        both = Chart(name)
        both.series = {**(own[name].series if name in own else {}), **chart.series}
        result[name] = both
    return result


def charts_to_json(charts: Mapping[str, Chart]) -> dict[str, Any]:
    """All charts in the result file's form."""
    return {name: chart.to_json() for name, chart in charts.items()}
