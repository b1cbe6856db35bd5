"""Stretches: plain moments in a row that the same streams have, gone through without asking anew at each of them.

A moment of a stretch sets the clock, takes a bar of each stream, hands them to the indicators and to the user, and
looks at two things: the pulse (`base/pulse.py`), which says whether anything has changed that a stretch relies on, and
the time at which something besides bars is due next. Only where either has something to tell, all questions are asked.

What ends a stretch from outside is found ahead: other streams, the end of a chunk, prices that leave the band in which
the account needs no look. An order that waits for bars of these streams is looked at with each of them. After a fill
the stretch turns: it goes on with the new account and the bands that are drawn for it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from itertools import compress
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import AlgorithmStatus
from llm_plugin.engine.base.pulse import PULSE
from llm_plugin.engine.base.zones import DAY_US, HOUR_US
from llm_plugin.engine.data.slices import Slice
from llm_plugin.engine.loop.quiet_moments import nothing_settles
from llm_plugin.engine.loop.trade_follower import TradeFollower, sets_price
from llm_plugin.engine.models.margin_calls import MARGIN_CHECK_US

if TYPE_CHECKING:
    from llm_plugin.engine.loop.plain_moments import PlainMoments
    from llm_plugin.engine.loop.time_loop import TimeLoop

__all__ = ["Stretches"]

_FAR = 1 << 62
# Moments that are looked at ahead; the fewest worth it; how many go the other way after a look that was for nothing.
_AHEAD, _LEAST, _PATIENCE = 256, 3, 64


class Stretches:
    """Goes through moments that differ in nothing but their bars.

    Args:
        plain: Whose moments they are.
        loop: The loop that would go through them.
    """

    def __init__(self, plain: PlainMoments, loop: TimeLoop) -> None:
        self._plain, self._loop, self._core = plain, loop, loop.core
        self._manager, self._sampler, self._guard = loop.manager, loop.sampler, loop.guard
        self._algorithm, self._schedule = loop.core.algorithm, loop.core.algorithm.schedule
        self._clock, self._portfolio, self._transactions = loop.core.clock, loop.core.portfolio, loop.core.transactions
        self._zone, self._find = loop.core.clock.zone, loop.core.symbol_cache.find
        self._wait = self._vain = 0
        # Of the stretch at hand: its streams, which of them the user sees (None: all), the benchmark's stream, when
        # others come, the version of the streams and when a universe selects, whether funds are on their way, its
        # moments, its first point.
        self._streams: list[Any] = []
        self._seen: list[bool] | None = None
        self._unseen: Any = None
        self._end = _FAR
        self._known: tuple[int, int | None] = (-1, None)
        self._settles = self._asked_for_late = False
        self._times: list[int] = []
        self._first = 0
        # Those that were found last.
        self._coming: list[int] = []
        # Whether orders wait for bars.
        self._pending = False
        self._follower: Any = None

    def run(self, universe_us: int | None) -> bool | None:
        """Go through the stretch that begins at the next moment.

        Args:
            universe_us: When a universe selects next.

        Returns:
            Whether the moment after it can be plain; None where no stretch begins.
        """
        if self._wait:
            self._wait -= 1
            return None
        loop = self._loop
        if loop.on_data is None or not loop.is_solvent or not self._can_wait():
            return None
        end = _FAR if universe_us is None else universe_us
        count, plain = self._look_ahead(end), None
        if count < _LEAST:
            # Ever fewer looks where they are for nothing.
            self._vain = min(2 * self._vain + 1, _PATIENCE)
            self._wait = _PATIENCE if count < 0 else self._vain
            return None
        if not self._follow():
            self._wait = _PATIENCE
            return None
        self._vain, self._known = 0, (self._manager.version, universe_us)
        take = zip(*[stream.bars() for stream in self._streams], strict=True).__next__
        self._sampler.watch.begin(self._streams)
        try:
            while count:
                self._times, self._first = self._coming, self._streams[0].place
                more = self._go(take)
                plain = plain if more is None else more
                self._count_moments()
                self._close()
                if not (more and self._is_corporate(end)):
                    break
                plain, count = False, self._pass_corporate(end)
        except BaseException:
            self._count_moments()
            self._sampler.late.close()
            self._sampler.watch.end(self._clock.utc_us)
            self._follower.end()
            self._manager.reorder()
            raise
        return plain

    def _close(self) -> None:
        """Leave everything as moments one by one would have left it."""
        self._sampler.late.end()
        self._sampler.watch.end(self._clock.utc_us + 1)
        self._follower.end()
        self._manager.reorder()

    def _is_corporate(self, end: int) -> bool:
        """Whether what comes next, before a time, is a corporate event alone."""
        if not self._manager.heap:
            return False
        now, _, stream = self._manager.heap[0]
        alone = stream.auxiliary and all(other.next_emit > now for other in self._streams)
        return alone and now < end and self._schedule.due_us >= now

    def _pass_corporate(self, end: int) -> int:
        """Go through the moment of a corporate event; return how many moments of the same streams come then."""
        loop, manager, streams = self._loop, self._manager, self._streams
        now = manager.heap[0][0]
        loop.step(now, manager.collect(now))
        if not (self._core.status is AlgorithmStatus.RUNNING and self._plain.is_plain() and self._is_known()):
            return 0
        if not (loop.is_solvent and self._can_wait()):
            return 0
        count = self._look_ahead(end)
        if count < 1 or self._streams != streams or not self._follow():
            return 0
        self._sampler.watch.begin(streams)
        return count

    def _is_known(self) -> bool:
        """Whether streams and universes are those that the stretch began with."""
        known = self._manager.version, self._core.universes.next_us
        return known == self._known and all(stream.is_as_begun for stream in self._streams)

    def _count_moments(self) -> None:
        """Tell the loop of the moments that went by."""
        loop, moments = self._loop, self._keep_hour()
        if moments:
            loop.bars += moments * (len(self._streams) if self._seen is None else sum(self._seen))
            self._first = self._streams[0].place
            loop.tell_progress(self._clock.utc_us, moments)

    def _follow(self) -> bool:
        """Hold back the prices for open trades; return whether that can be done."""
        self._loop.held_before = self._sampler.invested
        self._follower = TradeFollower(self._algorithm.trade_builder, self._streams)
        return bool(self._follower.begin())

    def _turn(self) -> bool:
        """Go on with the account that a moment has left, and with the samples of that moment; return whether it can."""
        late, watch = self._sampler.late, self._sampler.watch
        count = self._moments() if self._loop.is_solvent else 0
        self._follower.end()
        if not count or not self._follow():
            return False
        # The loop over the moments goes on with those that come now.
        self._times[self._streams[0].place - self._first :] = self._coming
        if late.is_open:
            late.close()
        if watch.is_wanted:
            watch.begin(self._streams, 1)
        # A value that was asked for stays that of its moment, even where money came since.
        if self._asked_for_late and not watch.is_wanted and self._portfolio._total is None:
            late.begin(self._streams, count, self._unseen, 1)
        self._asked_for_late = late.is_open
        return True

    def _can_wait(self) -> bool:
        """Whether there are no orders to look at, but for those that wait for bars of their own security."""
        transactions = self._transactions
        self._pending = bool(transactions._needs_scan or transactions._queue)
        return not self._pending or (transactions.waits_for_data() and nothing_settles(self._core))

    # Before a stretch.
    def _look_ahead(self, end: int) -> int:
        """Find the streams that have the next moments to themselves; return how many, -1 where that is hopeless."""
        heap = self._manager.heap
        seen = [entry for entry in heap if not entry[2].unseen]
        unseen = [entry[2] for entry in heap if entry[2].unseen]
        now = min((entry[0] for entry in seen), default=_FAR)
        streams = [entry[2] for entry in sorted(entry for entry in seen if entry[0] == now)]
        told = any(stream.seen for stream in streams) and all(stream.plain for stream in streams)
        if not told or len(unseen) > 1:
            return -1
        if unseen and any(stream.security is unseen[0].security for stream in streams):
            return -1
        self._streams, self._unseen = streams, unseen[0] if unseen else None
        shown = [stream.seen for stream in streams]
        self._seen = None if all(shown) else shown
        self._end = min([end, *(entry[0] for entry in seen if entry[0] != now)])
        return self._moments()

    def _moments(self) -> int:
        """Count the moments that all the streams have together, before others come and with prices within bands."""
        streams = self._streams
        count = _AHEAD
        for stream in streams:
            count = min(count, stream.ahead)
        emits = streams[0].emits(count)
        for stream in streams[1:]:
            while count >= _LEAST and stream.emits(count) != emits:
                count //= 4
                emits = emits[:count]
        count = bisect_left(emits, self._end)
        if self._sampler.invested:
            for stream in streams:
                if sets_price(stream):
                    for low, high in self._guard.bands(stream.security):
                        count = stream.within(low, high, count)
        del emits[count:]
        self._coming = emits
        return count

    # The stretch.
    def _go(self, take: Callable[[], tuple[Any, ...]]) -> bool | None:
        """Go through the moments; return whether the next one can be plain, None if there was none."""
        clock, algorithm, portfolio, loop = self._clock, self._algorithm, self._portfolio, self._loop
        zone, find, on_data, streams, seen = self._zone, self._find, loop.on_data, self._streams, self._seen
        self._asked_for_late, self._settles = False, not nothing_settles(self._core)
        mark, due, lanes, plain = PULSE.mark, self._due(), self._lanes(), None
        for now in self._times:
            busy, pending = now >= due, self._pending
            if busy or pending:
                known = self._before(now, mark)
                if known is None:
                    return plain
                mark = known
            clock.utc_us = now
            points = take()
            data = Slice(now, points if seen is None else tuple(compress(points, seen)), find, zone)
            algorithm._current_slice = data
            portfolio._total = None
            if pending:
                if not self._work_orders(now, data, points):
                    return False
            else:
                if busy and self._on_time(now):
                    lanes = self._lanes()
                if now >= loop.next_margin_check:
                    loop.next_margin_check = now + MARGIN_CHECK_US
                if lanes is None:
                    self._plain.advance(list(zip(streams, points, strict=True)))
                else:
                    for lane in lanes:
                        lane.row += 1
                on_data(data)
            plain = True
            if busy or pending or PULSE.mark is not mark:
                if (ends := self._after(now, data, mark, told=pending)) is not None:
                    return ends
                mark, due, lanes = PULSE.mark, self._due(), self._lanes()
        return plain

    def _work_orders(self, now: int, data: Slice, points: tuple[Any, ...]) -> bool:
        """Look at the open orders with new bars, then tell the user of both; return whether the run goes on."""
        loop = self._loop
        self._transactions.process_synchronous_events()
        self._schedule.run_until(now)
        if self._core.status is not AlgorithmStatus.RUNNING:
            return False
        if now >= loop.next_margin_check:
            loop.next_margin_check = now + MARGIN_CHECK_US
        loop.tell_user(data, list(zip(self._streams, points, strict=True)), [])
        return True

    def _due(self) -> int:
        """When something but bars is to be looked at: scheduled events, samples, settlement, the benchmark's bars."""
        sampler, unseen = self._sampler, self._unseen
        due: int = min(self._schedule.due_us, self._loop.next_hour if self._settles else _FAR)
        if sampler.late.is_open:
            return due
        if sampler.capacity.watched and sampler.capacity.behind is None:
            return 0
        benchmark: int = _FAR if unseen is None else unseen.next_emit
        return min(due, sampler.due_us, benchmark)

    def _keep_hour(self) -> int:
        """Let the loop know the hour, which nobody asks for while nothing settles; return how many moments went by."""
        moments: int = self._streams[0].place - self._first
        if moments and not self._settles:
            self._loop.next_hour = (self._times[moments - 1] // HOUR_US + 1) * HOUR_US
        return moments

    def _lanes(self) -> list[Any] | None:
        """Return what counts the bars for indicators that follow; None where consolidators have to be told."""
        told = [stream for stream in self._streams if stream.config.consolidators]
        lanes = [stream.own_lane for stream in told]
        for stream, lane in zip(told, lanes, strict=True):
            if lane is None or not lane.followed == lane.size == len(stream.config.consolidators):
                return None
        return lanes

    def _before(self, now: int, mark: object) -> object | None:
        """Take the samples and the benchmark's bars that are due before a moment.

        Args:
            now: The moment.
            mark: The pulse's, when everything was last asked.

        Returns:
            The mark to go on with; None where the moment cannot follow.
        """
        schedule, unseen, sampler = self._schedule, self._unseen, self._sampler
        if self._pending and not self._zone.local(now) % DAY_US:
            # The daily sample of this very moment comes after the fills.
            return None
        late, same = sampler.late, PULSE.mark is mark
        passes = unseen is not None and unseen.next_emit <= now
        self._keep_hour()
        samples = schedule.due_us <= now or sampler.due_us <= now
        if not self._asked_for_late and (samples or passes):
            self._asked_for_late = True
            if late.begin(self._streams, len(self._times), unseen) and same:
                # Nothing but the daily sample was put off.
                mark = PULSE.mark
        if schedule.due_us <= now:
            before = None if unseen is None or late.is_open else self._pass_unseen
            if not self._plain.pass_midnights(now, before):
                return None
        if passes and not late.is_open:
            self._pass_unseen(now)
            unseen.skip_before(now + 1)
        return mark

    def _on_time(self, now: int) -> bool:
        """Do what is due at a moment, before the user sees it; return whether there was anything."""
        scheduled = self._schedule.due_us <= now
        if self._settles:
            self._plain.pass_hour(now)
        if scheduled:
            self._schedule.run_until(now)
        return scheduled or self._settles

    def _after(self, now: int, data: Slice, mark: object, *, told: bool) -> bool | None:
        """Ask what a moment has changed; return whether the next one can be plain, None if the stretch goes on.

        Args:
            now: The moment.
            data: Its slice.
            mark: The pulse's, when everything was last asked.
            told: Whether orders were looked at, and the framework has seen it.
        """
        loop, sampler, plain = self._loop, self._sampler, self._plain
        if not told and PULSE.mark is mark:
            plain.finish(now)
            return None
        self._keep_hour()
        self._settles = not nothing_settles(self._core)
        same = plain.is_plain() or (not told and plain.work_on(data))
        plain.work_off()
        same = same and self._can_wait() and self._is_known()
        held = loop.held_before
        changed = sampler.invested is not held or (held and not self._guard.is_same())
        changed = changed or (sampler.late.is_open and not sampler.late.holds())
        if changed:
            loop.keep_value()
        turned = changed and same and self._turn()
        plain.sample(now)
        if changed and not turned:
            return same
        return None if same else False

    def _pass_unseen(self, end: int) -> int:
        """Let the benchmark's bars before a time set its price; return when its next one is due."""
        stream, sampler = self._unseen, self._sampler
        while stream.next_emit < end:
            if not nothing_settles(self._core) or (stream.next_emit >= sampler.due_us and not sampler.can_pass):
                now = stream.next_emit
                self._plain.moment(now, [(stream, stream.next_point())])
                continue
            self._loop.pass_over(stream.skip_before(end if sampler.can_pass else min(sampler.due_us, end)))
        return int(stream.next_emit)
