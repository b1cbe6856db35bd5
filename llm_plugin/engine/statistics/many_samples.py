"""What the charts show of many samples, worked out at once: the same figures as one by one, digit by digit.

Money is whole units of a power of ten. A rounded quotient is taken from floats where they tell how it is rounded;
where the quotient lies next to the middle between two results, it is worked out exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.base.money import ZERO, round_half_even, smart_rounding
from llm_plugin.engine.results.charts import SeriesType
from llm_plugin.engine.statistics.columns import Column

__all__ = ["AccountShape", "Asset", "ManySamples", "SampleRow", "Standing", "drawdown", "earnings", "exposure"]

_MOST_ASSETS = 30
_POWERS = 10 ** np.arange(19, dtype=np.int64)
_FITS = 4 * 10**18
# Up to here a thousand, in units, fits as well.
_MOST_DECIMALS = 14
# Floats are good to 5e-16 of numbers below 1e7.
_DOUBT = 1e-6
_SEVEN_DIGITS = 10**7
Ints = NDArray[Any]


def earnings(value: Decimal, before: Decimal) -> Decimal:
    """Per cent earned since the day before."""
    return round_half_even((value - before) * 100 / before, 10)


def drawdown(value: Decimal, peak: Decimal) -> Decimal:
    """Per cent below the peak, as a negative number."""
    return round_half_even((value / peak - 1) * 100, 2)


def exposure(side: Decimal, value: Decimal) -> Decimal:
    """Share of the account in positions of one side."""
    return round_half_even(side / value, 4)


class Asset(NamedTuple):
    """A security as the day's charts know it."""

    ticker: str
    security_type: Any
    sale_volume: Decimal
    # Its place among the values of positions; -1 without a position.
    held_at: int


class AccountShape:
    """What does not change from sample to sample while only prices do.

    Args:
        scale: Decimals of a unit of money.
        benchmark_scale: Decimals of a unit of the benchmark; None where samples have it as a decimal.
        assets: The securities.
        sold: Traded value of all.
    """

    __slots__ = ("assets", "benchmark_scale", "kind_of", "kinds", "sales", "scale", "sold")

    def __init__(self, scale: int, benchmark_scale: int | None, assets: Sequence[Asset], sold: Decimal) -> None:
        self.scale, self.benchmark_scale, self.assets, self.sold = scale, benchmark_scale, assets, sold
        texts = [str(asset.security_type) for asset in assets]
        self.kinds = tuple(dict.fromkeys(texts))
        held = sorted((asset.held_at, text) for asset, text in zip(assets, texts, strict=True) if asset.held_at >= 0)
        self.kind_of = tuple(self.kinds.index(text) for _, text in held)
        # Beside one asset there is nothing to sort, and nothing to leave out.
        ranked = assets if len(assets) < 2 else sorted(assets, key=lambda asset: -asset.sale_volume)[:_MOST_ASSETS]
        sales: dict[str, Decimal] = {}
        for asset in ranked:
            if asset.sale_volume:
                sales.setdefault(asset.ticker, asset.sale_volume)
        self.sales = tuple(sales.items())


# (UTC microseconds, account value, benchmark or None for a sample of the equity alone, capacity, shape, positions).
SampleRow = tuple[int, int, Any, Decimal, AccountShape, tuple[int, ...]]


class Standing(NamedTuple):
    """Where the samples before have left the figures.

    `sold` is the traded value at the last day and at the one before; on the day that starts, it is not looked at.
    """

    daily: Decimal
    peak: Decimal
    sold: tuple[Decimal, Decimal]
    start_us: int


class NewPoints(NamedTuple):
    """Points of one series, and where the first of them belongs among those of the others."""

    order: tuple[int, int]
    chart: str
    name: str
    kind: SeriesType
    pane: int
    unit: str
    column: Column


def _half_even(values: Ints, unit: Any) -> Ints:
    whole = values // unit
    twice = 2 * (values - whole * unit)
    return whole + ((twice > unit) | ((twice == unit) & (whole % 2 == 1)))  # type: ignore[no-any-return]


def _smart(values: Ints, scale: int) -> Ints:
    """`smart_rounding` of many, in the same units."""
    large = values > 1000 * 10**scale
    result = values
    if scale > 4:
        unit = 10 ** (scale - 4)
        result = np.where(large, _half_even(values, unit) * unit, values)
    if large.all():
        return result
    small = ~large
    kept = values[small]
    units = _POWERS[np.maximum(np.searchsorted(_POWERS, np.abs(kept), side="right") - 7, 0)]
    result = np.array(result)
    result[small] = _half_even(kept, units) * units
    return result


def _smart_column(times: Ints, values: Ints, scale: int) -> Column:
    if values.dtype == object or scale > _MOST_DECIMALS:
        return Column(times, [smart_rounding(_decimal(value, scale)) for value in values.tolist()])
    return Column(times, _smart(values, scale), scale)


def _decimal(units: int, scale: int) -> Decimal:
    return Decimal(units).scaleb(-scale)


def _decimals_of(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _rounded(shares: NDArray[np.float64], places: Any, margin: Any) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return `shares` (0 or more) rounded to decimal places, in units of the last, and where that may be wrong."""
    scaled = shares * 10.0**places
    doubtful = (np.abs(scaled - np.floor(scaled) - 0.5) < margin) | (scaled > _SEVEN_DIGITS - 1)
    return np.rint(np.where(doubtful, 0.0, scaled)).astype(np.int64), doubtful


class ManySamples:
    """Works out the points of samples in a row, all of accounts with the same kinds of securities.

    Args:
        rows: The samples; the account is worth more than 0 in each.
        before: Where the samples before have left the figures.
        currency: Unit of the money series.
    """

    def __init__(self, rows: Sequence[SampleRow], before: Standing, currency: str) -> None:
        self._before, self._currency, self._count = before, currency, len(rows)
        times, benchmarks, totals = [row[0] for row in rows], [row[2] for row in rows], [row[1] for row in rows]
        runs = list(_runs(rows))
        different = {shape for _, _, shape in runs}
        decimals = max(_decimals_of(before.daily), _decimals_of(before.peak))
        self._scale = scale = max(decimals, *(shape.scale for shape in different))
        self._ups = {shape: 10 ** (scale - shape.scale) for shape in different}
        for low, high, shape in runs:
            up = self._ups[shape]
            if up > 1:
                totals[low:high] = [total * up for total in totals[low:high]]
        self._days = [row for row in rows if row[2] is not None]
        at = [at for at, benchmark in enumerate(benchmarks) if benchmark is not None]
        self._at = np.array(at, dtype=np.int64)
        self._daily = int(before.daily.scaleb(scale))
        self._peak = int(before.peak.scaleb(scale))
        most = max(max(totals), self._daily, self._peak)
        self._type: Any = np.int64 if most < _FITS and scale <= _MOST_DECIMALS else object
        self._totals = np.array(totals, dtype=self._type)
        self.is_sound = bool(min(self._totals.min(), self._daily, self._peak) > 0)
        self._times = np.array(times, dtype=np.int64)
        self._day_times, self._day_totals = self._times[self._at], self._totals[self._at]
        self._shapes = list(_runs(self._days))

    def after(self) -> tuple[Standing, Decimal]:
        """Where these samples leave the figures, and the last value of the account."""
        before, value = self._before, _decimal(int(self._totals[-1]), self._scale)
        if not self._days:
            return before, value
        daily = _decimal(int(self._day_totals[-1]), self._scale)
        top = int(max(self._day_totals.tolist()))
        peak = _decimal(top, self._scale) if top > self._peak else before.peak
        counted = [row[4].sold for row in self._days[-2:] if row[0] != before.start_us]
        sold = (*before.sold[:1], *counted)[-2:][::-1] if counted else before.sold
        return Standing(daily, peak, sold, before.start_us), value  # type: ignore[arg-type]

    def points(self) -> list[NewPoints]:
        """The points of all series, in the order in which their series come into being."""
        found = [self._equity()]
        if self._days:
            found += [*self._benchmark(), self._returns(), self._drawdowns()]
            found += [*self._sales(), *self._exposures(), self._capacity(), self._turnover()]
        return sorted((points for points in found if len(points.column.times)), key=lambda points: points.order)

    def _first(self, day: int, rank: int) -> tuple[int, int]:
        return (int(self._at[day]) if day < len(self._at) else self._count, rank)

    def _equity(self) -> NewPoints:
        times, totals = self._times, self._totals
        first = np.ones(len(times), dtype=bool)
        first[1:] = times[1:] != times[:-1]
        if not first.all():
            times, totals = times[first], totals[first]
        if self._scale > 4:
            unit = 10 ** (self._scale - 4)
            totals = _half_even(totals, unit) * unit
        column = _smart_column(times, totals, self._scale)
        return NewPoints((0, 0), "Strategy Equity", "Equity", SeriesType.CANDLE, 0, self._currency, column)

    def _benchmark(self) -> list[NewPoints]:
        found = []
        for scale, runs in groupby(self._shapes, key=lambda run: run[2].benchmark_scale):
            parts = list(runs)
            low, high = parts[0][0], parts[-1][1]
            times, values = self._day_times[low:high], [row[2] for row in self._days[low:high]]
            if scale is None:
                column = Column(times, _smart_each(values))
            else:
                kind: Any = np.int64 if -_FITS < min(values) and max(values) < _FITS else object
                column = _smart_column(times, np.array(values, dtype=kind), scale)
            args = ("Benchmark", "Benchmark", SeriesType.LINE, 0, "$")
            found.append(NewPoints(self._first(low, 1), *args, column))
        return found

    def _returns(self) -> NewPoints:
        totals = self._day_totals
        before = np.concatenate((np.array([self._daily], dtype=self._type), totals[:-1]))
        change = totals - before
        shares = np.abs(change.astype(np.float64)) / before.astype(np.float64) * 100.0
        # Ten decimals first, then seven digits.
        places = 10 - np.searchsorted([1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0], shares, side="right")
        margin = np.where(places < 10, 0.5 * 10.0 ** (places - 10), 0.0) + _DOUBT
        units, doubtful = _rounded(shares, places, margin)
        units = np.where(change < 0, -units, units) * _POWERS[10 - places]
        for at in np.flatnonzero(doubtful).tolist():
            pair = _decimal(int(totals[at]), self._scale), _decimal(int(before[at]), self._scale)
            units[at] = int(smart_rounding(earnings(*pair)).scaleb(10))
        column = Column(self._day_times, units, 10)
        return NewPoints(self._first(0, 2), "Strategy Equity", "Return", SeriesType.BAR, 1, "%", column)

    def _drawdowns(self) -> NewPoints:
        totals = self._day_totals
        peaks = np.maximum.accumulate(np.concatenate((np.array([self._peak], dtype=self._type), totals)))[1:]
        shares = (peaks - totals).astype(np.float64) / peaks.astype(np.float64) * 100.0
        units, doubtful = _rounded(shares, 2, _DOUBT)
        units = -units
        for at in np.flatnonzero(doubtful).tolist():
            pair = _decimal(int(totals[at]), self._scale), _decimal(int(peaks[at]), self._scale)
            units[at] = int(smart_rounding(drawdown(*pair)).scaleb(2))
        column = Column(self._day_times, units, 2)
        return NewPoints(self._first(0, 3), "Drawdown", "Equity Drawdown", SeriesType.LINE, 0, "%", column)

    def _sales(self) -> list[NewPoints]:
        runs: dict[str, list[tuple[int, int, int, Decimal]]] = {}
        for low, high, shape in self._shapes:
            for rank, (ticker, volume) in enumerate(shape.sales):
                runs.setdefault(ticker, []).append((low, high, rank, volume))
        found = []
        for ticker, parts in runs.items():
            times = np.concatenate([self._day_times[low:high] for low, high, _, _ in parts])
            values: list[Decimal] = []
            for low, high, _, volume in parts:
                values += [smart_rounding(volume)] * (high - low)
            low, _, rank, _ = parts[0]
            order = self._first(low, 4 + rank)
            args = ("Assets Sales Volume", ticker, SeriesType.TREEMAP, 0, self._currency)
            found.append(NewPoints(order, *args, Column(times, values)))
        return found

    def _exposures(self) -> list[NewPoints]:
        kinds = self._days[0][4].kinds
        sums = [([0] * len(self._days), [0] * len(self._days)) for _ in kinds]
        positions = [row[5] for row in self._days]
        for low, high, shape in self._shapes:
            up = self._ups[shape]
            for at, place in enumerate(shape.kind_of):
                values = [day[at] * up for day in positions[low:high]]
                longs, shorts = sums[place]
                for place_of_day, value in enumerate(values, low):
                    if value > 0:
                        longs[place_of_day] += value
                    else:
                        shorts[place_of_day] += value
        found = []
        for short, side in enumerate(("Long", "Short")):
            for place, kind in enumerate(kinds):
                column = self._shares(sums[place][short])
                order = self._first(0, 40 + len(kinds) * short + place)
                name = f"{kind} - {side} Ratio"
                found.append(NewPoints(order, "Exposure", name, SeriesType.LINE, 0, "", column))
        return found

    def _shares(self, values: list[int]) -> Column:
        if not any(values):
            return Column(self._day_times, np.zeros(len(values), dtype=np.int64), 4)
        # By way of whole numbers: floats of Python's own are slow to come by.
        kind: Any = np.int64 if -_FITS < min(values) and max(values) < _FITS else object
        shares = np.array(values, dtype=kind).astype(np.float64) / self._day_totals.astype(np.float64)
        units, doubtful = _rounded(np.abs(shares), 4, _DOUBT)
        units = np.where(shares < 0, -units, units)
        for at in np.flatnonzero(doubtful).tolist():
            pair = _decimal(values[at], self._scale), _decimal(int(self._day_totals[at]), self._scale)
            units[at] = int(smart_rounding(exposure(*pair)).scaleb(4))
        return Column(self._day_times, units, 4)

    def _capacity(self) -> NewPoints:
        column = Column(self._day_times, _smart_each([row[3] for row in self._days]))
        order = self._first(0, 1000)
        return NewPoints(order, "Capacity", "Strategy Capacity", SeriesType.LINE, 0, self._currency, column)

    def _turnover(self) -> NewPoints:
        begun = int(self._days[0][0] == self._before.start_us)
        values, since = [ZERO] * (len(self._days) - begun), self._before.sold[0]
        for low, high, shape in self._shapes:
            at = max(low, begun)
            if shape.sold != since and at < high:
                value = _decimal(int(self._day_totals[at]), self._scale)
                values[at - begun], since = smart_rounding((shape.sold - since) / value), shape.sold
        column = Column(self._day_times[begun:], values)
        order = self._first(begun, 1001)
        return NewPoints(order, "Portfolio Turnover", "Portfolio Turnover", SeriesType.LINE, 0, "%", column)


def _runs(days: Sequence[SampleRow]) -> Iterator[tuple[int, int, AccountShape]]:
    """First and last + 1 of the days in a row that have the same shape, and the shape."""
    low = 0
    shape = days[0][4] if days else None
    for at, row in enumerate(days):
        if row[4] is not shape and shape is not None:
            yield low, at, shape
            low, shape = at, row[4]
    if shape is not None:
        yield low, len(days), shape


def _smart_each(values: Sequence[Decimal]) -> list[Decimal]:
    shown: list[Decimal] = []
    raw: Decimal | None = None
    rounded = ZERO
    for value in values:
        if value is not raw:
            raw, rounded = value, smart_rounding(value)
        shown.append(rounded)
    return shown
