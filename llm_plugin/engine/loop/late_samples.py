"""Samples of moments in a row that are taken afterwards: before a fill, when somebody looks, and at the end."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.loop.late_capacity import LateCapacity
from llm_plugin.engine.loop.quiet_moments import nothing_settles
from llm_plugin.engine.loop.trade_follower import sets_price
from llm_plugin.engine.statistics.sample_group import Part, Span

if TYPE_CHECKING:
    from llm_plugin.engine.loop.sampling import RunSampler
    from llm_plugin.engine.statistics.account_shape import AccountShape

__all__ = ["LateSamples"]

_FAR = 1 << 62


class _Track:
    """Bars that a stream has ahead."""

    __slots__ = ("emits", "first", "rows")

    def __init__(self, stream: Any) -> None:
        self.emits, self.rows, self.first = stream.points_ahead

    def row_at(self, utc_us: int) -> int:
        """Return the row of the last bar at a time, -1 before the first one."""
        at = bisect_right(self.emits, utc_us, self.first) - 1
        if at < self.first:
            return -1
        return at if self.rows is None else self.rows[at]


class LateSamples:
    """Knows what the account and the benchmark were worth at moments that have gone by.

    While it is open, neither midnights nor samples of the equity nor bars of the benchmark are looked at: the prices
    that they need stay where they are. What changes the account closes it first.

    Args:
        core: The run.
        sampler: Whose samples they are.
    """

    def __init__(self, core: EngineCore, sampler: RunSampler) -> None:
        self._core, self._sampler = core, sampler
        self.is_open = False
        self._capacity = LateCapacity(core, sampler.capacity)
        self._opened_us = 0
        self._span: Span
        # Of each of the span's parts: the security that a position is in, the units of its prices, their bars or none.
        self._parts: list[tuple[Any, list[int], _Track | None]] = []
        # When the moments are, and what comes before the first; the same of the benchmark's bars.
        self._moments: tuple[list[int], int] = ([], 0)
        self._bars: tuple[list[int], int] = ([], 0)
        self._unseen: Any = None
        # The benchmark's security, where it has no data.
        self._without_data: Any = None

    def begin(self, streams: list[Any], count: int, unseen: Any) -> bool:
        """Open for the next moments, if all that they need can be had afterwards.

        Args:
            streams: The streams that have a bar at each of the moments.
            count: How many moments there are at most.
            unseen: The benchmark's stream, where it is none of them.
        """
        core, sampler = self._core, self._sampler
        schedule, ledger, midnight = core.algorithm.schedule, sampler.ledger, sampler.midnight
        shape = sampler.shape()
        if shape is None:
            return False
        self._without_data = ledger.compared if shape.benchmark_scale is None else None
        if shape.benchmark_scale is None and (unseen is not None or not _lacks_data(ledger.compared)):
            return False
        if schedule.due_event is not midnight or not nothing_settles(core) or (ledger.terms and not sampler.invested):
            return False
        if not self._follow(shape, streams, unseen):
            return False
        emits, place = self._moments
        if not self._capacity.begin(emits[min(place + count, len(emits)) - 1], self):
            return False
        schedule.hold()
        self.is_open, self._opened_us = True, core.clock.utc_us
        # Until it is closed no sample is taken at its time.
        sampler.due_us = _FAR
        core.benchmark.on_look = self.close
        return True

    def _follow(self, shape: AccountShape, streams: list[Any], unseen: Any) -> bool:
        """Find where the prices of positions, of currencies and of the benchmark will come from."""
        ledger = self._sampler.ledger
        self._parts, parts = [], []
        for term in ledger.terms:
            if term.crypto:
                return False
            prices, first, track = None, 0, None
            for stream in streams:
                if stream.security is term.security and sets_price(stream):
                    if track is not None or stream.block is not term.block:
                        return False
                    prices, first, track = stream.priced_points, stream.place, _Track(stream)
            parts.append(Part(prices, term.factor, first, term.value(), term.total, term.held))
            self._parts.append((term.security if term.held else None, term.units, track))
        self._unseen, compared = unseen, ledger.benchmark()
        self._moments, self._bars = (streams[0].points_ahead[0], streams[0].place), ([], 0)
        benchmark = Part(None, 1, 0, compared, False, False)
        if unseen is None:
            if any(stream.security is ledger.compared for stream in streams):
                return False
        elif unseen.security is not ledger.compared or unseen.block is not ledger.benchmark_block:
            return False
        else:
            self._bars = unseen.points_ahead[0], unseen.place
            benchmark = Part(unseen.priced_points, 1, unseen.place, compared, False, False)
        self._span = Span(shape, ledger.base, tuple(parts), benchmark)
        return True

    def holds(self) -> bool:
        """Whether the account is still the one that it was opened for."""
        lacking = self._without_data
        return self._sampler.ledger.holds() and (lacking is None or _lacks_data(lacking))

    def close(self) -> None:
        """Take the samples up to now; those that follow are taken as they come."""
        if not self.is_open:
            return
        now, sampler = self._core.clock.utc_us, self._sampler
        self.is_open = False
        self._core.benchmark.on_look = None
        self._take(now)
        if self._unseen is not None:
            self._unseen.skip_before(now + 1)
        self._core.algorithm.schedule.resume(sampler.midnight)
        sampler.due_us = min(sampler.next_us + 1, sampler.capacity.due_us)

    def end(self) -> None:
        """Close after a moment, with the samples of its own."""
        if not self.is_open:
            return
        now = self._core.clock.utc_us
        self.close()
        if now > self._opened_us:
            self._sampler.on_slice(now)

    def _take(self, end_us: int) -> None:
        """Take the samples before a time."""
        sampler = self._sampler
        # A midnight at the last moment came before the user saw it.
        days, equity, capacity = sampler.midnight.take_before(end_us + 1), self._slices(end_us), sampler.capacity.exact
        sampler.results.add_span(self._span, days, equity, capacity, self._capacity.look_before(end_us))

    # What the capacity asks for.
    def first_from(self, us: int) -> int:
        """When the first moment at or after a time was."""
        emits, first = self._moments
        at = bisect_left(emits, us, first)
        due = emits[at] if at < len(emits) else _FAR
        bars, first = self._bars
        if not bars:
            return due
        at = bisect_left(bars, us, first)
        return min(due, bars[at]) if at < len(bars) else due

    def worth_at(self, us: int, security: Any) -> tuple[int, int]:
        """The account's value and that of a position at a moment, in the same whole units."""
        total, position = self._span.base, 0
        for (owner, units, track), part in zip(self._parts, self._span.parts, strict=True):
            worth = part.value
            if track is not None and (row := track.row_at(us)) >= 0:
                worth = units[row] * part.factor
            if part.counts:
                total += worth
            if owner is security:
                position = worth
        return total, position

    def _slices(self, end_us: int) -> list[int]:
        """Return when the equity is due before a time."""
        sampler, found = self._sampler, []
        due, period = sampler.next_us, sampler.period_us
        emits, at = self._moments
        bars, place = self._bars
        end, last = bisect_left(emits, end_us, at), bisect_left(bars, end_us, place)
        while True:
            at, place = bisect_right(emits, due, at, end), bisect_right(bars, due, place, last)
            now = emits[at] if at < end else end_us
            if place < last and bars[place] < now:
                now = bars[place]
            if now >= end_us:
                break
            found.append(now)
            due = now + period
        sampler.next_us = due
        return found


def _lacks_data(security: Any) -> bool:
    """Whether nothing ever said what a security is worth."""
    return security is not None and security.cache.source is None and security._fixed is None
