"""Samples in a row, kept as columns: those of single moments, and spans of moments that differ in prices only.

A span says where the prices of its moments are. What the account was worth at each of them is found for all spans at
once, with the first look at the group.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.statistics.account_shape import AccountShape, SampleRow

__all__ = ["FITS", "Part", "PricedPoints", "SampleGroup", "Span"]

Ints = NDArray[Any]
# Of the chunk of a stream: when each point is due, its row (None: in order), and the values of the rows in units.
PricedPoints = tuple[Ints, Ints | None, Ints]

# What 64 bits are trusted with.
FITS = 4 * 10**18


class Part(NamedTuple):
    """A position, money of another currency, or the benchmark: what it is worth from moment to moment.

    `value` holds before the point `first` of its prices, later on a row's units times `factor`. `counts` says whether
    it is a part of the account's total, `held` whether it is a position.
    """

    prices: PricedPoints | None
    factor: int
    first: int
    value: Any
    counts: bool
    held: bool


_NOTHING = Part(None, 0, 0, 0, False, False)


class Span(NamedTuple):
    """Moments that differ in prices only; money in units of the shape's."""

    shape: AccountShape
    base: int
    parts: tuple[Part, ...]
    benchmark: Part

    def is_like(self, other: Span) -> bool:
        """Whether both take the same parts from the same bars."""
        mine, others = self.parts, other.parts
        if self.benchmark.prices is not other.benchmark.prices or len(mine) != len(others):
            return False
        for one, two in zip(mine, others, strict=True):
            if one.prices is not two.prices or one.counts is not two.counts or one.held is not two.held:
                return False
        return self.shape is other.shape or (
            self.shape.kind_of == other.shape.kind_of
            and (self.shape.benchmark_scale is None) is (other.shape.benchmark_scale is None)
        )


class _Batch:
    """Spans in a row that are alike, and which days and samples of the equity they have.

    Once the next batch begins, it lets go of the prices: what they made of the samples stays.
    """

    def __init__(self, span: Span, day: int, equity: int) -> None:
        self.first, self.spans = span, [span]
        self.kind_of = span.shape.kind_of
        # Where the samples of each span begin; samples of single moments may follow them.
        self.days, self.equity = [day], [equity]
        self.totals = self.equity_totals = self.benchmarks = np.zeros(0, dtype=np.int64)
        self.positions: list[Ints] = []

    @property
    def _most(self) -> int:
        """No sum of values is larger."""
        spans = self.spans
        most = max(abs(span.base) for span in spans)
        for at, part in enumerate(self.first.parts):
            largest = max(abs(span.parts[at].value) for span in spans)
            if part.prices is not None:
                dearest = int(np.abs(part.prices[2]).max())
                largest = max(largest, dearest * max(abs(span.parts[at].factor) for span in spans))
            most += largest
        return most

    def settle(self, day_times: Sequence[int], equity_times: Sequence[int]) -> None:
        """Find what everything was worth, at the times of all samples of the group so far.

        Samples of single moments come to something or other.
        """
        if not self.spans:
            return
        kind: Any = np.int64 if self._most < FITS else object
        days, equity = (
            np.array(times[places[0] :], dtype=np.int64)
            for times, places in ((day_times, self.days), (equity_times, self.equity))
        )
        counts = np.diff([*self.days, len(day_times)])
        self.totals, self.positions = self._worth(days, counts, kind)
        self.equity_totals, _ = self._worth(equity, np.diff([*self.equity, len(equity_times)]), kind)
        compared, exact = [span.benchmark for span in self.spans], self.first.shape.benchmark_scale is None
        self.benchmarks = _worth(self.first.benchmark.prices, compared, counts, days, object if exact else np.int64)
        self.spans = []
        self.first = self.first._replace(parts=(), benchmark=_NOTHING)

    def _worth(self, times: Ints, counts: Ints, kind: Any) -> tuple[Ints, list[Ints]]:
        total, positions = np.repeat(np.array([span.base for span in self.spans], dtype=kind), counts), []
        for at, part in enumerate(self.first.parts):
            value = _worth(part.prices, [span.parts[at] for span in self.spans], counts, times, kind)
            if part.counts:
                total = total + value
            if part.held:
                positions.append(value)
        return total, positions


def _worth(prices: PricedPoints | None, parts: Sequence[Part], counts: Ints, times: Ints, kind: Any) -> Ints:
    known = np.repeat(np.array([part.value for part in parts], dtype=kind), counts)
    if prices is None:
        return known
    emits, rows, units = prices
    place = np.searchsorted(emits, times, side="right") - 1
    found = units[place if rows is None else rows[place]]
    if kind is object:
        found = found.astype(object)
    factors = np.array([part.factor for part in parts], dtype=kind)
    seen = place >= np.repeat(np.array([part.first for part in parts]), counts)
    return np.where(seen, found * np.repeat(factors, counts), known)


class _Found(NamedTuple):
    """What the samples of a group are, in units of their own shapes."""

    days: Ints
    equity: Ints
    benchmarks: Ints
    # By day, where the benchmark has no units.
    exact_benchmarks: dict[int, Decimal]


class SampleGroup:
    """Samples of accounts with the same kinds of securities, in order.

    Args:
        kinds: The kinds of securities.
    """

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self.kinds = kinds
        self.day_times: list[int] = []
        self.equity_times: list[int] = []
        self._last_us = -(1 << 62)
        # From which day and which sample of the equity on: the shape; from which day on: the capacity.
        self._shapes: list[tuple[int, int, AccountShape]] = []
        self._capacities: list[tuple[int, Decimal]] = []
        self._batches: list[_Batch] = []
        # Samples of single moments, and their places.
        self._days: list[SampleRow] = []
        self._equity: list[int] = []
        self._day_places: list[int] = []
        self._equity_places: list[int] = []
        self._times: tuple[Ints, Ints] | None = None
        self._found: _Found | None = None

    def __len__(self) -> int:
        return len(self.day_times) + len(self.equity_times)

    def takes(self, us: int, shape: AccountShape) -> bool:
        """Whether samples that begin at a time may follow: a day comes before a sample of the equity."""
        return us > self._last_us and (shape.kinds == self.kinds)

    def add_row(self, row: SampleRow) -> None:
        """Add the sample of a single moment."""
        us, total, benchmark, capacity, shape, _ = row
        self._begin(shape)
        self._last_us = us if benchmark is None else us - 1
        if benchmark is None:
            self._equity_places.append(len(self.equity_times))
            self._equity.append(total)
            self.equity_times.append(us)
            return
        self._set_capacity(len(self.day_times), capacity)
        self._day_places.append(len(self.day_times))
        self._days.append(row)
        self.day_times.append(us)

    def add_span(
        self,
        span: Span,
        days: list[int],
        equity: list[int],
        capacity: Decimal,
        looks: Sequence[tuple[int, Decimal]],
    ) -> None:
        """Add the samples of a span.

        Args:
            span: What they are worth.
            days: When its daily samples are, in order.
            equity: When its samples of the equity are, in order.
            capacity: The capacity at first.
            looks: When the capacity changed, and what it was afterwards.
        """
        self._begin(span.shape)
        day, equity_place = len(self.day_times), len(self.equity_times)
        batch = self._batches[-1] if self._batches else None
        if batch is not None and batch.first.is_like(span):
            batch.spans.append(span)
            batch.days.append(day)
            batch.equity.append(equity_place)
        else:
            if batch is not None:
                batch.settle(self.day_times, self.equity_times)
            self._batches.append(_Batch(span, day, equity_place))
        self.day_times += days
        self.equity_times += equity
        self._last_us = max(days[-1] - 1 if days else self._last_us, equity[-1] if equity else self._last_us)
        if days:
            self._set_capacity(day, capacity)
            for us, changed in looks:
                at = bisect_right(days, us)
                if at < len(days):
                    self._set_capacity(day + at, changed)

    def _begin(self, shape: AccountShape) -> None:
        if not self._shapes or self._shapes[-1][2] is not shape:
            self._shapes.append((len(self.day_times), len(self.equity_times), shape))

    def _set_capacity(self, day: int, capacity: Decimal) -> None:
        if not self._capacities or self._capacities[-1][1] is not capacity:
            self._capacities.append((day, capacity))

    # What was added.
    @property
    def first_us(self) -> int:
        """When the first sample was."""
        return min(times[0] for times in (self.day_times, self.equity_times) if times)

    @property
    def last_us(self) -> int:
        """When the last sample was."""
        return max(times[-1] for times in (self.day_times, self.equity_times) if times)

    @property
    def all_shapes(self) -> list[AccountShape]:
        """All shapes, in order."""
        return [shape for _, _, shape in self._shapes]

    @property
    def day_shapes(self) -> list[tuple[int, int, AccountShape]]:
        """First and last + 1 of the days in a row that have the same shape, and the shape."""
        return list(_runs([(day, shape) for day, _, shape in self._shapes], len(self.day_times)))

    @property
    def equity_shapes(self) -> list[tuple[int, int, AccountShape]]:
        """The same for samples of the equity."""
        return list(_runs([(place, shape) for _, place, shape in self._shapes], len(self.equity_times)))

    @property
    def capacities(self) -> list[tuple[int, int, Decimal]]:
        """First and last + 1 of the days in a row that have the same capacity, and the capacity."""
        return list(_runs(self._capacities, len(self.day_times)))

    @property
    def times(self) -> tuple[Ints, Ints]:
        """When the daily samples and those of the equity were."""
        if self._times is None:
            days, equity = (np.array(times, dtype=np.int64) for times in (self.day_times, self.equity_times))
            self._times = days, equity
        return self._times

    @property
    def found(self) -> _Found:
        """What the samples are."""
        if self._found is None:
            self._found = self._find()
        return self._found

    def _find(self) -> _Found:
        days, equity = self.times
        for batch in self._batches[-1:]:
            batch.settle(self.day_times, self.equity_times)
        own = [abs(total) for total in self._equity]
        own += [abs(row[1]) + sum(map(abs, row[5])) for row in self._days]
        small = not own or max(own) < FITS
        small = small and all(batch.totals.dtype != object for batch in self._batches)
        kind: Any = np.int64 if small else object
        day_totals, equity_totals = np.empty(len(days), dtype=kind), np.empty(len(equity), dtype=kind)
        benchmarks, exact = np.zeros(len(days), dtype=np.int64), dict[int, Decimal]()
        for batch in self._batches:
            low, place = batch.days[0], batch.equity[0]
            day_totals[low : low + len(batch.totals)] = batch.totals
            equity_totals[place : place + len(batch.equity_totals)] = batch.equity_totals
            if batch.benchmarks.dtype == object:
                exact.update(enumerate(list(batch.benchmarks), low))
            else:
                benchmarks[low : low + len(batch.benchmarks)] = batch.benchmarks
        equity_totals[self._equity_places] = self._equity
        day_totals[self._day_places] = [row[1] for row in self._days]
        for place, row in zip(self._day_places, self._days, strict=True):
            if row[4].benchmark_scale is None:
                exact[place] = row[2]
            else:
                exact.pop(place, None)
                benchmarks[place] = row[2]
        return _Found(day_totals, equity_totals, benchmarks, exact)

    def sides(self) -> list[tuple[Ints, Ints]]:
        """Return the sums of long and of short positions on each day, kind by kind, in units of the days' shapes."""
        kind, count = self.found.days.dtype, len(self.day_times)
        sums = [(np.zeros(count, dtype=kind), np.zeros(count, dtype=kind)) for _ in self.kinds]
        for batch in self._batches:
            low = batch.days[0]
            for place, values in zip(batch.kind_of, batch.positions, strict=True):
                longs, shorts = sums[place]
                longs[low : low + len(values)] += np.maximum(values, 0)
                shorts[low : low + len(values)] += np.minimum(values, 0)
        single = [([0] * len(self._days), [0] * len(self._days)) for _ in self.kinds]
        for at, row in enumerate(self._days):
            for place, value in zip(row[4].kind_of, row[5], strict=True):
                single[place][value < 0][at] += value
        for (longs, shorts), (own_longs, own_shorts) in zip(sums, single, strict=True):
            longs[self._day_places], shorts[self._day_places] = own_longs, own_shorts
        return sums

    def rows(self) -> Iterator[SampleRow]:
        """The samples one by one."""
        found, single = self.found, dict(zip(self._day_places, self._days, strict=True))
        shapes = [shape for low, high, shape in self.day_shapes for _ in range(low, high)]
        capacities = [capacity for low, high, capacity in self.capacities for _ in range(low, high)]
        days: list[tuple[int, int, SampleRow]] = []
        for place, (us, total) in enumerate(zip(self.day_times, found.days.tolist(), strict=True)):
            row = single.get(place)
            if row is None:
                compared = found.exact_benchmarks.get(place, int(found.benchmarks[place]))
                row = (us, total, compared, capacities[place], shapes[place], self._positions(place))
            days.append((us, 0, row))
        shapes = [shape for low, high, shape in self.equity_shapes for _ in range(low, high)]
        samples = zip(self.equity_times, found.equity.tolist(), shapes, strict=True)
        others = [(us, 1, (us, total, None, ZERO, shape, ())) for us, total, shape in samples]
        for _, _, row in sorted([*days, *others], key=lambda item: item[:2]):
            yield row

    def _positions(self, place: int) -> tuple[int, ...]:
        batch = next(batch for batch in reversed(self._batches) if batch.days[0] <= place)
        return tuple(int(values[place - batch.days[0]]) for values in batch.positions)


def _runs(starts: Sequence[tuple[int, Any]], end: int) -> Iterator[tuple[int, int, Any]]:
    """First and last + 1 of what begins where, without what is empty."""
    for at, (low, item) in enumerate(starts):
        high = starts[at + 1][0] if at + 1 < len(starts) else end
        if low < high:
            yield low, high, item
