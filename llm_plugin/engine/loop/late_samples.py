"""Samples of moments in a row that are taken afterwards: before a fill, when somebody looks, and at the end."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.loop.late_capacity import LateCapacity
from llm_plugin.engine.loop.quiet_moments import nothing_settles
from llm_plugin.engine.loop.trade_follower import sets_price
from llm_plugin.engine.statistics.many_samples import AccountShape, SampleRow

if TYPE_CHECKING:
    from llm_plugin.engine.loop.sampling import RunSampler

__all__ = ["LateSamples"]

_FAR = 1 << 62
# Kinds of samples, in the order in which they are taken.
_DAILY, _EQUITY = 0, 1


class _Track:
    """Bars that a stream has ahead."""

    __slots__ = ("count", "emits", "first", "rows")

    def __init__(self, stream: Any) -> None:
        self.emits, self.rows, self.first = stream.points_ahead
        self.count = len(self.emits)

    def row_of(self, place: int) -> int:
        """Return the row of a bar."""
        return place if self.rows is None else self.rows[place]

    def row_at(self, utc_us: int) -> int:
        """Return the row of the last bar at a time, -1 before the first one."""
        at = bisect_right(self.emits, utc_us, self.first) - 1
        return -1 if at < self.first else self.row_of(at)

    def first_from(self, utc_us: int) -> int:
        """When the first bar at or after a time is due."""
        at = bisect_left(self.emits, utc_us, self.first)
        return self.emits[at] if at < self.count else _FAR


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
        self._shape: AccountShape | None = None
        self._base = 0
        # (units per unit of price, prices, their bars or none, whether it counts for the total, whether it is held,
        # what it was worth at first).
        self._parts: list[tuple[int, list[int], _Track | None, bool, bool, int]] = []
        # The securities that positions are in.
        self._owners: list[Any] = []
        self._moments: _Track | None = None
        self._unseen: Any = None
        self._benchmark: _Track | None = None
        # In units, or a decimal where the benchmark's security has no data; then that security.
        self._compared: Any = 0
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
        emits = streams[0].emits(count)
        if not self._follow(streams, unseen):
            return False
        self._shape, self._base = shape, ledger.base
        self._moments = _Track(streams[0])
        if not self._capacity.begin(emits[-1], self):
            return False
        schedule.hold()
        self.is_open, self._opened_us = True, core.clock.utc_us
        # Until it is closed no sample is taken at its time.
        sampler.due_us = _FAR
        core.benchmark.on_look = self.close
        return True

    def _follow(self, streams: list[Any], unseen: Any) -> bool:
        """Find where the prices of positions, of currencies and of the benchmark will come from."""
        ledger = self._sampler.ledger
        self._parts = []
        self._owners = [term.security if term.held else None for term in ledger.terms]
        for term in ledger.terms:
            feeds = [stream for stream in streams if stream.security is term.security and sets_price(stream)]
            if term.crypto or len(feeds) > 1 or any(stream.block is not term.block for stream in feeds):
                return False
            track = _Track(feeds[0]) if feeds else None
            self._parts.append((term.factor, term.units, track, term.total, term.held, term.value()))
        self._unseen, self._benchmark, self._compared = unseen, None, ledger.benchmark()
        if unseen is None:
            return not any(stream.security is ledger.compared for stream in streams)
        if unseen.security is not ledger.compared or unseen.block is not ledger.benchmark_block:
            return False
        self._benchmark = _Track(unseen)
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
        sampler, shape, moments = self._sampler, self._shape, self._moments
        # A midnight at the last moment came before the user saw it. Where both are due at once, the daily one is first.
        times = [(midnight, _DAILY) for midnight in sampler.midnight.take_before(end_us + 1)]
        if slices := self._slices(end_us):
            times = sorted(times + slices)
        if shape is None or moments is None:
            return
        estimate, rows, at = sampler.capacity, list[SampleRow](), -1
        capacity = estimate.capacity
        emits, first = moments.emits, moments.first
        for now, kind in times:
            place = bisect_right(emits, now, first)
            if place != at:
                at, (total, positions) = place, self._valued(place - first)
            if kind == _DAILY:
                if estimate.due_us < now:
                    self._capacity.look_before(now)
                    capacity = estimate.capacity
                rows.append((now, total, self._benchmark_at(now), capacity, shape, positions))
            else:
                rows.append((now, total, None, ZERO, shape, ()))
        self._capacity.look_before(end_us)
        if rows:
            sampler.results.add_rows(rows)

    def _valued(self, moments: int) -> tuple[int, tuple[int, ...]]:
        """What the account and the positions were worth after some of the moments."""
        total, positions = self._base, []
        for factor, units, track, counts, held, value in self._parts:
            if moments and track is not None:
                value = units[track.row_of(track.first + moments - 1)] * factor
            if counts:
                total += value
            if held:
                positions.append(value)
        return total, tuple(positions)

    # What the capacity asks for.
    def first_from(self, us: int) -> int:
        """When the first moment at or after a time was."""
        moments, benchmark = self._moments, self._benchmark
        first = _FAR if moments is None else moments.first_from(us)
        return first if benchmark is None else min(first, benchmark.first_from(us))

    def worth_at(self, us: int, security: Any) -> tuple[int, int]:
        """The account's value and that of a position at a moment, in the same whole units."""
        total, position = self._base, 0
        for owner, (factor, units, track, counts, _, value) in zip(self._owners, self._parts, strict=True):
            row = track.row_at(us) if track is not None else -1
            worth = value if row < 0 else units[row] * factor
            if counts:
                total += worth
            if owner is security:
                position = worth
        return total, position

    def _slices(self, end_us: int) -> list[tuple[int, int]]:
        """Return when the equity is due before a time."""
        sampler, found = self._sampler, []
        due = sampler.next_us
        while (now := self.first_from(due + 1)) < end_us:
            found.append((now, _EQUITY))
            due = now + sampler.period_us
        sampler.next_us = due
        return found

    def _benchmark_at(self, utc_us: int) -> Any:
        row = -1 if self._benchmark is None else self._benchmark.row_at(utc_us)
        return self._compared if row < 0 else self._sampler.ledger.benchmark_units[row]


def _lacks_data(security: Any) -> bool:
    """Whether nothing ever said what a security is worth."""
    return security is not None and security.cache.source is None and security._fixed is None
