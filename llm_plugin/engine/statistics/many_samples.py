"""What the charts show of many samples, worked out at once: the same figures as one by one, digit by digit.

Money is whole units of a power of ten. A rounded quotient is taken from floats where they tell how it is rounded;
where the quotient lies next to the middle between two results, it is worked out exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.base.money import ZERO, round_half_even, smart_rounding
from llm_plugin.engine.results.charts import SeriesType
from llm_plugin.engine.statistics.account_shape import AccountShape
from llm_plugin.engine.statistics.capacity import in_thousands
from llm_plugin.engine.statistics.columns import Column
from llm_plugin.engine.statistics.sample_group import FITS, SampleGroup

__all__ = ["ManySamples", "Standing", "drawdown", "earnings", "exposure"]

_POWERS = 10 ** np.arange(19, dtype=np.int64)
# Up to here a thousand, in units, fits as well.
_MOST_DECIMALS = 14
# So many times the least is what per cent of it, with ten decimals, fit as well.
_MOST_GROWTH = 10**6
# Floats are good to 5e-16: enough for numbers below 1e9.
_DOUBT = 1e-6
_SEVEN_DIGITS, _NINE_DIGITS, _LARGE = 10**7, 10**9, 10**15
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


def _rounded(values: NDArray[np.float64], margin: Any) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return values (0 or more) rounded to whole numbers, and where that may be wrong."""
    doubtful = (np.abs(values - np.floor(values) - 0.5) < margin) | (values > _LARGE)
    return np.rint(np.where(doubtful, 0.0, values)).astype(np.int64), doubtful


def _rounded_share(shares: NDArray[np.float64], places: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return shares (0 or more) rounded to decimal places, in units of the last, and where that may be wrong."""
    scaled = shares * 10.0**places
    units, doubtful = _rounded(scaled, _DOUBT)
    # A chart shows seven digits.
    return units, doubtful | (scaled > _SEVEN_DIGITS - 1)


class ManySamples:
    """Works out the points of samples in a row, all of accounts with the same kinds of securities.

    Args:
        group: The samples.
        before: Where the samples before have left the figures.
        currency: Unit of the money series.
    """

    def __init__(self, group: SampleGroup, before: Standing, currency: str) -> None:
        self._before, self._currency, self._group, found = before, currency, group, group.found
        decimals = max(_decimals_of(before.daily), _decimals_of(before.peak))
        self._scale = scale = max(decimals, *(shape.scale for shape in group.all_shapes))
        self._daily = int(before.daily.scaleb(scale))
        self._peak = int(before.peak.scaleb(scale))
        self._shapes = group.day_shapes
        totals = self._scaled(found.days, self._shapes), self._scaled(found.equity, group.equity_shapes)
        large = scale > _MOST_DECIMALS or max(self._daily, self._peak) >= FITS
        self._type: Any = object if large or any(values.dtype == object for values in totals) else np.int64
        self._day_totals, self._equity_totals = (values.astype(self._type, copy=False) for values in totals)
        ends = [int(end) for values in totals if len(values) for end in (values.min(), values.max())]
        least, most = min(*ends, self._daily, self._peak), max(*ends, self._daily, self._peak)
        self.is_sound = 0 < most < least * _MOST_GROWTH
        self._day_times = group.times[0]

    def _scaled(self, values: Ints, runs: Sequence[tuple[int, int, AccountShape]]) -> Ints:
        """Return amounts in units of the largest scale."""
        ups, counts = [10 ** (self._scale - shape.scale) for _, _, shape in runs], [high - low for low, high, _ in runs]
        if not ups or max(ups) == 1:
            return values
        kind: Any = object
        if values.dtype != object and max(ups) < FITS:
            sizes = np.abs(values.astype(np.float64)) * np.repeat(np.array(ups, dtype=np.float64), counts)
            kind = np.int64 if sizes.max() < FITS else object
        scaled: Ints = values.astype(kind, copy=False) * np.repeat(np.array(ups, dtype=kind), counts)
        return scaled

    def after(self) -> tuple[Standing, Decimal]:
        """Where these samples leave the figures, and the last value of the account."""
        before, group, days, equity = self._before, self._group, self._day_totals, self._equity_totals
        by_day = not len(equity) or (len(days) and group.day_times[-1] > group.equity_times[-1])
        value = _decimal(int((days if by_day else equity)[-1]), self._scale)
        if not len(days):
            return before, value
        daily = _decimal(int(days[-1]), self._scale)
        top = int(days.max())
        peak = _decimal(top, self._scale) if top > self._peak else before.peak
        last = [shape.sold for low, high, shape in self._shapes[-2:] for _ in range(low, high)[-2:]][-2:]
        counted = [sold for us, sold in zip(group.day_times[-2:], last, strict=True) if us != before.start_us]
        sold = (*before.sold[:1], *counted)[-2:][::-1] if counted else before.sold
        return Standing(daily, peak, sold, before.start_us), value  # type: ignore[arg-type]

    def points(self) -> list[NewPoints]:
        """The points of all series, in the order in which their series come into being."""
        found = [self._equity()]
        if len(self._day_times):
            found += [*self._benchmark(), self._returns(), self._drawdowns()]
            found += [*self._sales(), *self._exposures(), self._capacity(), self._turnover()]
        return sorted((points for points in found if len(points.column.times)), key=lambda points: points.order)

    def _equity(self) -> NewPoints:
        times = np.concatenate(self._group.times)
        totals = np.concatenate((self._day_totals, self._equity_totals))
        order = np.argsort(times, kind="stable")
        times, totals = times[order], totals[order]
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
        found, samples = [], self._group.found
        for scale, runs in groupby(self._shapes, key=lambda run: run[2].benchmark_scale):
            parts = list(runs)
            low, high = parts[0][0], parts[-1][1]
            times = self._day_times[low:high]
            if scale is None:
                column = Column(times, _smart_each([samples.exact_benchmarks[day] for day in range(low, high)]))
            else:
                column = _smart_column(times, samples.benchmarks[low:high], scale)
            args = ("Benchmark", "Benchmark", SeriesType.LINE, 0, "$")
            found.append(NewPoints((low, 1), *args, column))
        return found

    def _returns(self) -> NewPoints:
        totals = self._day_totals
        before = np.concatenate((np.array([self._daily], dtype=self._type), totals[:-1]))
        change = totals - before
        # To ten decimals first, then to seven digits.
        scaled = np.abs(change.astype(np.float64)) / before.astype(np.float64) * 1e12
        units, doubtful = _rounded(scaled, _DOUBT + scaled * 1e-15)
        units = np.where(change < 0, -1, 1) * _smart(units, 10)
        for at in np.flatnonzero(doubtful).tolist():
            pair = _decimal(int(totals[at]), self._scale), _decimal(int(before[at]), self._scale)
            units[at] = int(smart_rounding(earnings(*pair)).scaleb(10))
        column = Column(self._day_times, units, 10)
        return NewPoints((0, 2), "Strategy Equity", "Return", SeriesType.BAR, 1, "%", column)

    def _drawdowns(self) -> NewPoints:
        totals = self._day_totals
        peaks = np.maximum.accumulate(np.concatenate((np.array([self._peak], dtype=self._type), totals)))[1:]
        shares = (peaks - totals).astype(np.float64) / peaks.astype(np.float64) * 100.0
        units, doubtful = _rounded_share(shares, 2)
        units = -units
        for at in np.flatnonzero(doubtful).tolist():
            pair = _decimal(int(totals[at]), self._scale), _decimal(int(peaks[at]), self._scale)
            units[at] = int(smart_rounding(drawdown(*pair)).scaleb(2))
        column = Column(self._day_times, units, 2)
        return NewPoints((0, 3), "Drawdown", "Equity Drawdown", SeriesType.LINE, 0, "%", column)

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
            order = (low, 4 + rank)
            args = ("Assets Sales Volume", ticker, SeriesType.TREEMAP, 0, self._currency)
            found.append(NewPoints(order, *args, Column(times, values)))
        return found

    def _exposures(self) -> list[NewPoints]:
        kinds, found = self._group.kinds, []
        sums = [[self._scaled(side, self._shapes) for side in sides] for sides in self._group.sides()]
        for short, side in enumerate(("Long", "Short")):
            for place, kind in enumerate(kinds):
                column = self._shares(sums[place][short])
                order = (0, 40 + len(kinds) * short + place)
                name = f"{kind} - {side} Ratio"
                found.append(NewPoints(order, "Exposure", name, SeriesType.LINE, 0, "", column))
        return found

    def _shares(self, values: Ints) -> Column:
        if not values.any():
            return Column(self._day_times, np.zeros(len(values), dtype=np.int64), 4)
        shares = values.astype(np.float64) / self._day_totals.astype(np.float64)
        units, doubtful = _rounded_share(np.abs(shares), 4)
        units = np.where(shares < 0, -units, units)
        for at in np.flatnonzero(doubtful).tolist():
            pair = _decimal(int(values[at]), self._scale), _decimal(int(self._day_totals[at]), self._scale)
            units[at] = int(smart_rounding(exposure(*pair)).scaleb(4))
        return Column(self._day_times, units, 4)

    def _capacity(self) -> NewPoints:
        runs = self._group.capacities
        counts = [high - low for low, high, _ in runs]
        thousands = np.array([float(capacity) for _, _, capacity in runs]) / 1000
        units, doubtful = _rounded(thousands, np.where(thousands < _NINE_DIGITS, _DOUBT, 1))
        units *= 1000
        exact = {at: int(in_thousands(runs[at][2])) for at in np.flatnonzero(doubtful).tolist()}
        if exact and max(exact.values()) > FITS:
            units = units.astype(object)
        for at, value in exact.items():
            units[at] = value
        column = Column(self._day_times, np.repeat(units, counts), 0)
        return NewPoints((0, 1000), "Capacity", "Strategy Capacity", SeriesType.LINE, 0, self._currency, column)

    def _turnover(self) -> NewPoints:
        begun = int(self._group.day_times[0] == self._before.start_us)
        values, since = [ZERO] * (len(self._day_times) - begun), self._before.sold[0]
        for low, high, shape in self._shapes:
            at = max(low, begun)
            if shape.sold != since and at < high:
                value = _decimal(int(self._day_totals[at]), self._scale)
                values[at - begun], since = smart_rounding((shape.sold - since) / value), shape.sold
        column = Column(self._day_times[begun:], values)
        order = (begun, 1001)
        return NewPoints(order, "Portfolio Turnover", "Portfolio Turnover", SeriesType.LINE, 0, "%", column)


def _smart_each(values: Sequence[Decimal]) -> list[Decimal]:
    shown: list[Decimal] = []
    raw: Decimal | None = None
    rounded = ZERO
    for value in values:
        if value is not raw:
            raw, rounded = value, smart_rounding(value)
        shown.append(rounded)
    return shown
