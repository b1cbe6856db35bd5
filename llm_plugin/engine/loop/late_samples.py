"""Samples of moments in a row that are taken afterwards: before a fill, when somebody looks, and at the end."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from decimal import Decimal
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


class _Track:
    """Bars that a stream has ahead, gone through in order of time."""

    __slots__ = ("_count", "_emits", "_first", "_rows", "place")

    def __init__(self, stream: Any) -> None:
        self._emits, self._rows, self._first = stream.points_ahead
        self._count = len(self._emits)
        # Of the last bar at the time looked at.
        self.place: int = self._first - 1

    def move(self, utc_us: int) -> bool:
        """Go on to the last bar at a time; return whether that is another one."""
        emits, place, count = self._emits, self.place, self._count
        while place + 1 < count and emits[place + 1] <= utc_us:
            place += 1
        moved, self.place = place != self.place, place
        return moved

    def row_at(self, utc_us: int) -> int:
        """Return the row of the last bar at a time, -1 before the first one; bars gone through stay as they are."""
        at = bisect_right(self._emits, utc_us, self._first) - 1
        if at < self._first:
            return -1
        return at if self._rows is None else self._rows[at]

    def first_from(self, utc_us: int) -> int:
        """When the first bar at or after a time is due."""
        at = bisect_left(self._emits, utc_us, self._first)
        return self._emits[at] if at < self._count else _FAR

    @property
    def row(self) -> int:
        """The row of the bar; -1 before the first one."""
        if self.place < self._first:
            return -1
        return self.place if self._rows is None else self._rows[self.place]

    def next_after(self, utc_us: int) -> int:
        """When the first bar after a time is due, a time after those that were asked for before."""
        at = bisect_right(self._emits, utc_us, max(self.place, self._first))
        return self._emits[at] if at < self._count else _FAR


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
        # (units per unit of price, prices, their bars or none, whether it counts for the total, whether it is held),
        # and what each is worth at the time looked at.
        self._parts: list[tuple[int, list[int], _Track | None, bool, bool]] = []
        self._worth: list[int] = []
        self._first_worth: list[int] = []
        # A time that the capacity looked at, and what they were worth then.
        self._worth_then: tuple[int, list[int]] = (-1, [])
        # The securities that positions are in.
        self._owners: list[Any] = []
        self._total = 0
        self._positions: tuple[int, ...] = ()
        self._moments: _Track | None = None
        self._unseen: Any = None
        self._benchmark: _Track | None = None
        self._compared = 0

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
        if shape is None or shape.benchmark_scale is None:
            return False
        if schedule.due_event is not midnight or not nothing_settles(core) or (ledger.terms and not sampler.invested):
            return False
        emits = streams[0].emits(count)
        if not midnight.is_apart_from(emits) or not self._follow(streams, unseen):
            return False
        self._shape, self._base = shape, ledger.base
        self._moments = _Track(streams[0])
        if not self._capacity.begin(emits[-1], self):
            return False
        self._add_up()
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
        self._worth = [term.value() for term in ledger.terms]
        self._worth_then = -1, []
        self._first_worth, self._owners = list(self._worth), [t.security if t.held else None for t in ledger.terms]
        for term in ledger.terms:
            feeds = [stream for stream in streams if stream.security is term.security and sets_price(stream)]
            if term.crypto or len(feeds) > 1 or any(stream.block is not term.block for stream in feeds):
                return False
            track = _Track(feeds[0]) if feeds else None
            self._parts.append((term.factor, term.units, track, term.total, term.held))
        self._unseen, self._benchmark, self._compared = unseen, None, ledger.benchmark()
        if unseen is None:
            return not any(stream.security is ledger.compared for stream in streams)
        if unseen.security is not ledger.compared or unseen.block is not ledger.benchmark_block:
            return False
        self._benchmark = _Track(unseen)
        return True

    def holds(self) -> bool:
        """Whether the account is still the one that it was opened for."""
        return self._sampler.ledger.holds()

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
        sampler, shape = self._sampler, self._shape
        times = [(midnight, True) for midnight in sampler.midnight.take_before(end_us)]
        slices = self._slices(end_us)
        if slices:
            # Both at once: the daily one comes first.
            times = sorted(times + slices, key=_order)
        if shape is None:
            return
        moments, estimate, rows = self._moments, sampler.capacity, list[SampleRow]()
        capacity = estimate.capacity
        for now, daily in times:
            if moments is not None and moments.move(now):
                self._value(now)
            if daily:
                if estimate.due_us < now:
                    self._capacity.look_before(now)
                    capacity = estimate.capacity
                rows.append((now, self._total, self._benchmark_at(now), capacity, shape, self._positions))
            else:
                rows.append((now, self._total, None, ZERO, shape, ()))
        self._capacity.look_before(end_us)
        if rows:
            sampler.results.add_rows(rows)

    # What the capacity asks for.
    def first_from(self, us: int) -> int:
        """When the first moment at or after a time was."""
        moments, benchmark = self._moments, self._benchmark
        first = _FAR if moments is None else moments.first_from(us)
        return first if benchmark is None else min(first, benchmark.first_from(us))

    def total_at(self, us: int) -> Decimal:
        """The account's value at a moment."""
        worth = self._worth_at(us)
        return self._exact(self._base + sum(worth[at] for at, part in enumerate(self._parts) if part[3]))

    def position_at(self, security: Any, us: int) -> Decimal:
        """The value of a position at a moment."""
        for at, owner in enumerate(self._owners):
            if owner is security:
                return self._exact(self._worth_at(us)[at])
        return ZERO

    def _worth_at(self, us: int) -> list[int]:
        if self._worth_then[0] == us:
            return self._worth_then[1]
        worth = list(self._first_worth)
        for at, (factor, units, track, _, _) in enumerate(self._parts):
            row = track.row_at(us) if track is not None else -1
            if row >= 0:
                worth[at] = units[row] * factor
        self._worth_then = us, worth
        return worth

    def _exact(self, units: int) -> Decimal:
        return Decimal(units).scaleb(-self._shape.scale) if self._shape is not None else ZERO

    def _slices(self, end_us: int) -> list[tuple[int, bool]]:
        """Return when the equity is due before a time."""
        sampler, found = self._sampler, []
        moments, benchmark, period = self._moments, self._benchmark, self._sampler.period_us
        due = sampler.next_us
        while moments is not None:
            now = moments.next_after(due)
            if benchmark is not None:
                now = min(now, benchmark.next_after(due))
            if now >= end_us:
                break
            found.append((now, False))
            due = now + period
        sampler.next_us = due
        return found

    def _benchmark_at(self, utc_us: int) -> int:
        track = self._benchmark
        if track is not None and track.move(utc_us):
            self._compared = self._sampler.ledger.benchmark_units[track.row]
        return self._compared

    def _value(self, utc_us: int) -> None:
        for at, (factor, units, track, _, _) in enumerate(self._parts):
            if track is not None and track.move(utc_us):
                self._worth[at] = units[track.row] * factor
        self._add_up()

    def _add_up(self) -> None:
        worth = list(zip(self._worth, self._parts, strict=True))
        self._total = self._base + sum(value for value, (_, _, _, counts, _) in worth if counts)
        self._positions = tuple(value for value, (_, _, _, _, held) in worth if held)


def _order(sample: tuple[int, bool]) -> tuple[int, bool]:
    return sample[0], not sample[1]
