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
        # Of each of the span's parts: the security that a position is in, the units of its prices, the rows of points.
        self._parts: list[tuple[Any, list[int], list[int] | None]] = []
        # When the moments are, the place of the first and where they end; the same of the benchmark's bars.
        self._moments: tuple[list[int], int, int] = ([], 0, 0)
        self._bars: tuple[list[int], int, int] = ([], 0, 0)
        self._unseen: Any = None
        # The benchmark's security, where it has no data.
        self._without_data: Any = None

    def begin(self, streams: list[Any], count: int, unseen: Any, back: int = 0) -> bool:
        """Open for the next moments, if all that they need can be had afterwards.

        Args:
            streams: The streams that have a bar at each of the moments.
            count: How many moments there are at most.
            unseen: The benchmark's stream, where it is none of them.
            back: 1 where the samples of the moment that just went by are taken afterwards too.
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
        if not self._follow(shape, streams, unseen, back):
            return False
        emits, place, end = self._moments
        end = min(place + back + count, end)
        self._moments = emits, place, end
        if not self._capacity.begin(core.clock.utc_us + 1 - back, emits[end - 1], self):
            return False
        schedule.hold()
        self.is_open, self._opened_us = True, core.clock.utc_us - back
        # Until it is closed no sample is taken at its time.
        sampler.due_us = _FAR
        core.benchmark.on_look = self.close
        return True

    def _follow(self, shape: AccountShape, streams: list[Any], unseen: Any, back: int) -> bool:
        """Find where the prices of positions, of currencies and of the benchmark will come from."""
        ledger = self._sampler.ledger
        self._parts, parts = [], []
        for term in ledger.terms:
            if term.crypto:
                return False
            prices, first, rows = None, 0, None
            for stream in streams:
                if stream.security is term.security and sets_price(stream):
                    if prices is not None or stream.block is not term.block:
                        return False
                    prices, (_, rows, first) = stream.priced_points, stream.points_ahead
            parts.append(Part(prices, term.factor, first - back, term.value(), term.total, term.held))
            self._parts.append((term.security if term.held else None, term.units, rows))
        self._unseen, compared = unseen, ledger.benchmark()
        emits, _, place = streams[0].points_ahead
        self._moments, self._bars = (emits, place - back, len(emits)), ([], 0, 0)
        benchmark = Part(None, 1, 0, compared, False, False)
        if unseen is None:
            if any(stream.security is ledger.compared for stream in streams):
                return False
        elif unseen.security is not ledger.compared or unseen.block is not ledger.benchmark_block:
            return False
        else:
            emits, _, place = unseen.points_ahead
            self._bars = emits, place, len(emits)
            benchmark = Part(unseen.priced_points, 1, place, compared, False, False)
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
        sampler, (emits, place, end), (bars, first, last) = self._sampler, self._moments, self._bars
        self._moments = emits, place, bisect_left(emits, end_us, place, end)
        self._bars = bars, first, bisect_left(bars, end_us, first, last)
        # A midnight at the last moment came before the user saw it.
        days, equity, capacity = sampler.midnight.take_before(end_us + 1), self._slices(end_us), sampler.capacity.exact
        sampler.results.add_span(self._span, days, equity, capacity, self._capacity.look_before(end_us))

    # What the capacity asks for.
    def first_from(self, us: int) -> int:
        """When the first moment at or after a time was; far away where there is none up to the end."""
        emits, place, end = self._moments
        place = bisect_left(emits, us, place, end)
        due = emits[place] if place < end else _FAR
        emits, place, end = self._bars
        place = bisect_left(emits, us, place, end)
        return emits[place] if place < end and emits[place] < due else due

    def worth_at(self, us: int, security: Any) -> tuple[int, int]:
        """The account's value and that of a position at a moment, in the same whole units."""
        emits, place, end = self._moments
        # All streams have the same moments.
        seen = bisect_right(emits, us, place, end) - place - 1
        total, position, parts = self._span.base, 0, self._span.parts
        for at, (owner, units, rows) in enumerate(self._parts):
            prices, factor, first, worth, counts, _ = parts[at]
            if seen >= 0 and prices is not None:
                worth = units[first + seen if rows is None else rows[first + seen]] * factor
            if counts:
                total += worth
            if owner is security:
                position = worth
        return total, position

    def _slices(self, end_us: int) -> list[int]:
        """Return when the equity is due before a time."""
        sampler, found = self._sampler, []
        due, period = sampler.next_us, sampler.period_us
        emits, at, end = self._moments
        bars, place, last = self._bars
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
