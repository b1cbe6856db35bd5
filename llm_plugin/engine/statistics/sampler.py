"""When and what LEAN samples: the equity candle, and once per day performance, benchmark and the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from llm_plugin.engine.base.money import ZERO, smart_rounding
from llm_plugin.engine.base.zones import from_us, to_us
from llm_plugin.engine.results.charts import Candlestick, Chart, ChartPoint, EquityCandle, Series, SeriesType
from llm_plugin.engine.statistics.account_shape import AccountShape, SampleRow
from llm_plugin.engine.statistics.capacity import in_thousands
from llm_plugin.engine.statistics.columns import SampledSeries
from llm_plugin.engine.statistics.many_samples import ManySamples, Standing, drawdown, earnings, exposure
from llm_plugin.engine.statistics.sample_group import SampleGroup, Span

__all__ = ["DaySnapshot", "HoldingSample", "ResultSampler"]

_LEAST_MINUTES, _SAMPLES = 4, 4000
_MOST_ASSETS = 30
_SIDES = ("Long", "Short")


class HoldingSample(NamedTuple):
    """A holding as the day's charts show it."""

    ticker: str
    security_type: Any
    holdings_value: Decimal
    sale_volume: Decimal


class DaySnapshot(NamedTuple):
    """The state at a daily sample."""

    portfolio_value: Decimal
    benchmark_value: Decimal
    total_sale_volume: Decimal
    capacity: Decimal = ZERO
    holdings: Sequence[HoldingSample] = ()


class _Line:
    """A series, and how its last value looks in the chart: many samples in a row are the same."""

    __slots__ = ("add", "raw", "series", "shown")

    def __init__(self, series: SampledSeries) -> None:
        self.series = series
        self.add = series.append
        self.raw: Decimal | None = None
        self.shown = ZERO

    def put(self, moment: datetime, value: Decimal) -> None:
        """Append a point."""
        if value is not self.raw:
            self.raw, self.shown = value, smart_rounding(value)
        self.add(ChartPoint(moment, self.shown))


class ResultSampler:
    """Collects LEAN's default charts. Times are naive UTC.

    Call `on_slice` at the end of every slice, `sample_day` at each midnight of the algorithm's time zone and once
    with the last time, `on_warmup_finished` when the starting value is known, `finish` after the last slice.

    Args:
        start_utc: Midnight of the start date, in UTC.
        minutes: Minutes between LEAN's StartDate and EndDate; they give the sampling period.
        starting_value: Portfolio value at the start.
        currency_symbol: Unit of the money series.
    """

    def __init__(
        self, start_utc: datetime, minutes: float, starting_value: Decimal, currency_symbol: str = "$"
    ) -> None:
        self._charts: dict[str, Chart] = {}
        self._lines: dict[tuple[str, str], _Line] = {}
        # What was sampled and is no point yet: (time, value, forced), (time, day, None), or samples in a row.
        self._pending: list[Any] = []
        self._group: SampleGroup | None = None
        self._latest: datetime | None = None
        self.starting_value = starting_value
        self.warming_up = False
        self._start = start_utc
        spacing = _LEAST_MINUTES if minutes < _LEAST_MINUTES * _SAMPLES else minutes / _SAMPLES
        self._period = timedelta(minutes=spacing)
        self._unit = currency_symbol
        self._next: datetime | None = None
        self._candle: EquityCandle | None = None
        self._value = self._daily_value = self._peak = starting_value
        self._sold: tuple[Decimal, Decimal] = (ZERO, ZERO)
        self._last_turnover: datetime | None = None

    @property
    def charts(self) -> dict[str, Chart]:
        """LEAN's default charts with all samples so far."""
        self.settle()
        return self._charts

    def restore(self, chart: str, series: Series) -> None:
        """Go on with a series of an earlier run."""
        own = SampledSeries(series.name, series.series_type, series.index, series.unit)
        own.values = series.values
        self._charts[chart].series[series.name] = own
        self._lines[chart, series.name] = _Line(own)

    def on_warmup_finished(self, portfolio_value: Decimal) -> None:
        """Take the value at the real start; one that did not change keeps its decimal scale."""
        self.settle()
        self.warming_up = False
        self._value = portfolio_value
        if self.starting_value != portfolio_value:
            self.starting_value = self._daily_value = self._peak = portfolio_value
            self._candle = None

    def on_slice(self, utc_time: datetime, portfolio_value: Decimal, *, force: bool = False) -> None:
        """Update the equity candle; sample it when its time has come."""
        self._group = None
        self._pending.append((utc_time, portfolio_value, force))

    def sample_day(self, utc_time: datetime, day: DaySnapshot) -> None:
        """Sample everything that is sampled once per day."""
        self._group = None
        self._pending.append((utc_time, day, None))

    def add_rows(self, rows: Iterable[SampleRow]) -> None:
        """Take samples of single moments, in whole units; those in a row are worked out together."""
        for row in rows:
            self._group_for(row[0], row[4]).add_row(row)

    def add_span(
        self,
        span: Span,
        days: list[int],
        equity: list[int],
        capacity: Decimal,
        looks: Sequence[tuple[int, Decimal]],
    ) -> None:
        """Take the samples of moments that differ in prices only: `SampleGroup.add_span`."""
        if days or equity:
            self._group_for(min([*days[:1], *equity[:1]]), span.shape).add_span(span, days, equity, capacity, looks)

    def _group_for(self, us: int, shape: AccountShape) -> SampleGroup:
        group = self._group
        if group is None or not group.takes(us, shape):
            group = self._group = SampleGroup(shape.kinds)
            self._pending.append(group)
        return group

    def settle(self) -> None:
        """Make points of all samples."""
        pending, self._pending, self._group = self._pending, [], None
        for item in pending:
            if type(item) is SampleGroup:
                self._take_group(item)
            else:
                self._take(*item)

    def _take(self, moment: datetime, what: Any, forced: bool | None) -> None:
        self._latest = moment
        if forced is None:
            self._take_day(moment, what)
            return
        self._value = what
        self._update_candle()
        if forced or self._next is None or moment > self._next:
            self._next = moment + self._period
            self._sample_equity(moment)

    def _take_group(self, group: SampleGroup) -> None:
        known = Standing(self._daily_value, self._peak, self._sold, to_us(self._start))
        many = ManySamples(group, known, self._unit) if self._may_take(group) else None
        if many is None or not many.is_sound:
            for row in group.rows():
                self._take_row(row)
            return
        for new in many.points():
            line = self._line(*new[1:6])
            if line is not None:
                line.series.extend(new.column)
                line.raw = None
        standing, self._value = many.after()
        self._daily_value, self._peak, self._sold = standing[:3]
        if group.equity_times:
            self._next = from_us(group.equity_times[-1]) + self._period
        self._latest = from_us(group.last_us)
        if group.day_times and from_us(group.day_times[-1]) != self._start:
            self._last_turnover = from_us(group.day_times[-1])

    def _may_take(self, group: SampleGroup) -> bool:
        """Whether each of the samples makes a point: none comes too early."""
        if self.warming_up or self._candle is not None or (self._latest and from_us(group.first_us) <= self._latest):
            return False
        days, equity = group.times
        early = self._next is not None and len(equity) and int(equity[0]) <= to_us(self._next)
        period = self._period // timedelta(microseconds=1)
        return not (early or (np.diff(days) <= 0).any() or (np.diff(equity) <= period).any())

    def _take_row(self, row: SampleRow) -> None:
        us, total, benchmark, capacity, shape, values = row
        value = Decimal(total).scaleb(-shape.scale)
        if benchmark is None:
            self._take(from_us(us), value, False)
            return
        compared = benchmark if shape.benchmark_scale is None else Decimal(benchmark).scaleb(-shape.benchmark_scale)
        holdings = [
            HoldingSample(
                asset.ticker,
                asset.security_type,
                Decimal(values[asset.held_at]).scaleb(-shape.scale) if asset.held_at >= 0 else ZERO,
                asset.sale_volume,
            )
            for asset in shape.assets
        ]
        day = DaySnapshot(value, smart_rounding(compared), shape.sold, in_thousands(capacity), holdings)
        self._take(from_us(us), day, None)

    def _take_day(self, moment: datetime, day: DaySnapshot) -> None:
        self._value = value = day.portfolio_value
        before, earned, fallen = self._daily_value, ZERO, ZERO
        if value > self._peak:
            self._peak = value
        if before and value != before:
            earned = earnings(value, before)
        self._update_candle()
        self._sample_equity(moment)
        self._add("Benchmark", "Benchmark", SeriesType.LINE, 0, "$", moment, day.benchmark_value)
        self._add("Strategy Equity", "Return", SeriesType.BAR, 1, "%", moment, earned)
        if self._peak:
            if value != self._peak:
                fallen = drawdown(value, self._peak)
            self._add("Drawdown", "Equity Drawdown", SeriesType.LINE, 0, "%", moment, fallen)
        holdings = day.holdings
        for item in holdings if len(holdings) < 2 else sorted(holdings, key=_by_volume)[:_MOST_ASSETS]:
            if item.sale_volume:
                name, unit = item.ticker, self._unit
                self._add("Assets Sales Volume", name, SeriesType.TREEMAP, 0, unit, moment, item.sale_volume)
        if value:
            self._sample_exposure(moment, day)
        self._add("Capacity", "Strategy Capacity", SeriesType.LINE, 0, self._unit, moment, day.capacity)
        self._sample_turnover(moment, day)
        self._daily_value = value

    def _update_candle(self) -> None:
        if self._candle is None:
            self._candle = EquityCandle(self._value)
        else:
            self._candle.update(self._value)

    def _sample_equity(self, utc_time: datetime) -> None:
        candle = self._candle or EquityCandle(self._value)
        self._candle = None
        line = self._line("Strategy Equity", "Equity", SeriesType.CANDLE, 0, self._unit)
        if line is None or _is_taken(line, utc_time):
            return
        if candle.open is candle.close is candle.high is candle.low:
            if line.raw is None or line.raw != candle.open:
                line.raw, line.shown = candle.open, smart_rounding(candle.open)
            shown = line.shown
            line.add(Candlestick(utc_time, shown, shown, shown, shown))
        else:
            values = (candle.open, candle.high, candle.low, candle.close)
            line.add(Candlestick(utc_time, *map(smart_rounding, values)))

    def _sample_exposure(self, utc_time: datetime, day: DaySnapshot) -> None:
        sums: dict[str, list[Decimal]] = {}
        for item in day.holdings:
            sides = sums.setdefault(_text(item.security_type), [ZERO, ZERO])
            if item.holdings_value:
                sides[item.holdings_value < 0] += item.holdings_value
        for at, side in enumerate(_SIDES):
            for kind, sides in sums.items():
                ratio = exposure(sides[at], day.portfolio_value) if sides[at] else ZERO
                self._add("Exposure", f"{kind} - {side} Ratio", SeriesType.LINE, 0, "", utc_time, ratio)

    def _sample_turnover(self, utc_time: datetime, day: DaySnapshot) -> None:
        if not day.portfolio_value or utc_time == self._start:
            return
        # A second sample at the same time replaces the first, and counts from the one before it.
        again = self._last_turnover == utc_time
        sold, since = day.total_sale_volume, self._sold[1] if again else self._sold[0]
        turnover = (sold - since) / day.portfolio_value if sold != since else ZERO
        self._sold = (sold, self._sold[0])
        self._last_turnover = utc_time
        line = self._line("Portfolio Turnover", "Portfolio Turnover", SeriesType.LINE, 0, "%")
        if line is not None:
            if again:
                line.series.add_point(utc_time, turnover)
            else:
                line.put(utc_time, turnover)

    def _line(self, chart: str, name: str, kind: SeriesType, index: int, unit: str) -> _Line | None:
        if self.warming_up:
            return None
        line = self._lines.get((chart, name))
        if line is None:
            series = SampledSeries(name, kind, index, unit)
            self._charts.setdefault(chart, Chart(chart)).add_series(series)
            line = self._lines[chart, name] = _Line(series)
        return line

    def _add(
        self, chart: str, name: str, kind: SeriesType, index: int, unit: str, utc_time: datetime, value: Decimal
    ) -> None:
        line = self._lines.get((chart, name)) or self._line(chart, name, kind, index, unit)
        if line is not None and not _is_taken(line, utc_time):
            line.put(utc_time, value)

    def points(self, chart: str, series: str) -> list[tuple[datetime, Decimal]]:
        """The sampled points of a series, rounded as in the chart; empty if there are none."""
        self.settle()
        found = self._charts.get(chart)
        line = found.series.get(series) if found else None
        return line.points() if line else []


def _is_taken(line: _Line, moment: datetime) -> bool:
    last = line.series.last_time
    return last is not None and moment <= last


def _by_volume(item: HoldingSample) -> Decimal:
    return -item.sale_volume


@lru_cache(maxsize=64)
def _text(kind: Any) -> str:
    return str(kind)
