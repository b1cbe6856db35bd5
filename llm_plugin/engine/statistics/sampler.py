"""When and what LEAN samples: the equity candle, and once per day performance, benchmark and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from llm_plugin.engine.charts import Chart, EquityCandle, SeriesType
from llm_plugin.engine.money import ZERO, round_half_even, smart_rounding

__all__ = ["DaySnapshot", "HoldingSample", "ResultSampler"]

_LEAST_MINUTES, _SAMPLES = 4, 4000


@dataclass(frozen=True, slots=True)
class HoldingSample:
    """A holding as the day's charts show it."""

    ticker: str
    security_type: Any
    holdings_value: Decimal
    sale_volume: Decimal


@dataclass(frozen=True, slots=True)
class DaySnapshot:
    """The state at a daily sample."""

    portfolio_value: Decimal
    benchmark_value: Decimal
    total_sale_volume: Decimal
    capacity: Decimal = ZERO
    holdings: Sequence[HoldingSample] = ()


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
        self.charts: dict[str, Chart] = {}
        self._lines: dict[tuple[str, str], Any] = {}
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

    def on_warmup_finished(self, portfolio_value: Decimal) -> None:
        """Take the value at the real start; one that did not change keeps its decimal scale."""
        self.warming_up = False
        self._value = portfolio_value
        if self.starting_value != portfolio_value:
            self.starting_value = self._daily_value = self._peak = portfolio_value
            self._candle = None

    def wants_value(self, utc_time: datetime) -> bool:
        """Whether this slice will become a point (the candle needs the values between as well)."""
        return self._next is None or utc_time > self._next

    def on_slice(self, utc_time: datetime, portfolio_value: Decimal, *, force: bool = False) -> None:
        """Update the equity candle; sample it when its time has come."""
        self._value = portfolio_value
        self._update_candle()
        if force or self.wants_value(utc_time):
            self._next = utc_time + self._period
            self._sample_equity(utc_time)

    def sample_day(self, utc_time: datetime, day: DaySnapshot) -> None:
        """Sample everything that is sampled once per day."""
        self._value = value = day.portfolio_value
        earned = ZERO
        if self._daily_value:
            earned = round_half_even((value - self._daily_value) * 100 / self._daily_value, 10)
        self._peak = max(self._peak, value)
        self._update_candle()
        self._sample_equity(utc_time)
        self._add("Benchmark", "Benchmark", SeriesType.LINE, 0, "$", utc_time, smart_rounding(day.benchmark_value))
        self._add("Strategy Equity", "Return", SeriesType.BAR, 1, "%", utc_time, earned)
        if self._peak:
            fallen = round_half_even((value / self._peak - 1) * 100, 2)
            self._add("Drawdown", "Equity Drawdown", SeriesType.LINE, 0, "%", utc_time, fallen)
        for item in sorted(day.holdings, key=lambda item: -item.sale_volume)[:30]:
            if item.sale_volume:
                name, unit = item.ticker, self._unit
                self._add("Assets Sales Volume", name, SeriesType.TREEMAP, 0, unit, utc_time, item.sale_volume)
        if value:
            self._sample_exposure(utc_time, day)
        self._add("Capacity", "Strategy Capacity", SeriesType.LINE, 0, self._unit, utc_time, day.capacity)
        self._sample_turnover(utc_time, day)
        self._daily_value = value

    def _update_candle(self) -> None:
        if self._candle is None:
            self._candle = EquityCandle(self._value)
        self._candle.update(self._value)

    def _sample_equity(self, utc_time: datetime) -> None:
        candle = self._candle or EquityCandle(self._value)
        self._candle = None
        values = (candle.open, candle.high, candle.low, candle.close)
        self._add("Strategy Equity", "Equity", SeriesType.CANDLE, 0, self._unit, utc_time, *values)

    def _sample_exposure(self, utc_time: datetime, day: DaySnapshot) -> None:
        sums: dict[tuple[str, bool], Decimal] = {}
        for item in day.holdings:
            kind = str(item.security_type)
            for long in (True, False):
                sums.setdefault((kind, long), ZERO)
            if item.holdings_value:
                sums[kind, item.holdings_value > 0] += item.holdings_value
        for side, long in (("Long", True), ("Short", False)):
            for (kind, is_long), total in sums.items():
                if is_long == long:
                    ratio = round_half_even(total / day.portfolio_value, 4)
                    self._add("Exposure", f"{kind} - {side} Ratio", SeriesType.LINE, 0, "", utc_time, ratio)

    def _sample_turnover(self, utc_time: datetime, day: DaySnapshot) -> None:
        if not day.portfolio_value or utc_time == self._start:
            return
        # A second sample at the same time replaces the first, and counts from the one before it.
        since = self._sold[1] if self._last_turnover == utc_time else self._sold[0]
        turnover = (day.total_sale_volume - since) / day.portfolio_value
        self._sold = (day.total_sale_volume, self._sold[0])
        self._last_turnover = utc_time
        self._add("Portfolio Turnover", "Portfolio Turnover", SeriesType.LINE, 0, "%", utc_time, turnover)

    def _add(
        self, chart: str, name: str, kind: SeriesType, index: int, unit: str, utc_time: datetime, *values: Decimal
    ) -> None:
        if self.warming_up:
            return
        series = self._lines.get((chart, name))
        if series is None:
            if chart not in self.charts:
                self.charts[chart] = Chart(chart)
            series = self._lines[chart, name] = self.charts[chart].get_or_add(name, kind, index, unit)
        if series.values and utc_time <= series.values[-1].time and chart != "Portfolio Turnover":
            return
        series.add_point(utc_time, *values)

    def points(self, chart: str, series: str) -> list[tuple[datetime, Decimal]]:
        """The sampled points of a series, rounded as in the chart; empty if there are none."""
        found = self.charts.get(chart)
        line = found.series.get(series) if found else None
        return line.points() if line else []
