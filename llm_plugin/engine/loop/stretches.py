"""Stretches: plain moments in a row that the same streams have, gone through without asking anew at each of them."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.zones import HOUR_US
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


class _NoLane:
    """Stands where consolidators have to be told of each bar."""

    followed, size = 0, -1


class Stretches:
    """Goes through moments that differ in nothing but their bars.

    What ends a stretch from outside is found once, ahead: other streams, the end of a chunk, prices that leave the band
    in which the account needs no look. What user code does is looked at after each of its calls.

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
        # Of the stretch at hand: its streams, whose indicators follow which, and the benchmark's stream.
        self._streams: list[Any] = []
        self._all_seen = True
        self._lanes: list[tuple[Any, list[Any]]] = []
        self._unseen: Any = None

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
        loop, transactions = self._loop, self._transactions
        if transactions._needs_scan or transactions._queue or loop.on_data is None or not loop.is_solvent:
            return None
        count = self._look_ahead(_FAR if universe_us is None else universe_us)
        follower = TradeFollower(self._algorithm.trade_builder, self._streams) if count >= _LEAST else None
        if follower is None or not follower.begin():
            # Ever fewer looks where they are for nothing.
            self._vain = min(2 * self._vain + 1, _PATIENCE)
            self._wait = self._vain if 0 <= count < _LEAST else _PATIENCE
            return None
        self._vain = 0
        told = [stream for stream in self._streams if stream.config.consolidators]
        self._lanes = [(stream.own_lane or _NoLane, stream.config.consolidators) for stream in told]
        for stream in self._streams:
            stream.prepare()
        late, watch = self._sampler.late, self._sampler.watch
        watch.begin(self._streams)
        late.begin(self._streams, count, self._unseen)
        try:
            plain = self._go(count, universe_us)
            late.end()
            watch.end(self._clock.utc_us + 1)
        finally:
            late.close()
            watch.end(self._clock.utc_us)
            follower.end()
            self._manager.reorder()
        return plain

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
        self._all_seen = all(stream.seen for stream in streams)
        return self._moments(min([end, *(entry[0] for entry in seen if entry[0] != now)]))

    def _moments(self, end: int) -> int:
        """Count the moments that all the streams have together, before a time and with prices within their bands."""
        streams = self._streams
        first = streams[0]
        count: int = min([_AHEAD, *(stream.ahead for stream in streams)])
        emits = first.emits(count)
        for stream in streams[1:]:
            while count >= _LEAST and stream.emits(count) != emits:
                count //= 4
                emits = emits[:count]
        count = bisect_left(emits, end)
        if self._sampler.invested:
            for stream in streams:
                bands = self._guard.bands(stream.security) if sets_price(stream) else ()
                for low, high in bands:
                    count = stream.within(low, high, count)
        return count

    # The stretch.
    def _go(self, count: int, universe_us: int | None) -> bool | None:
        """Go through up to `count` moments; return whether the next one can be plain, None if there was none."""
        schedule, sampler, unseen, moment = self._schedule, self._sampler, self._unseen, self._moment
        manager, universes, guard = self._manager, self._core.universes, self._guard
        version, held, plain, late = manager.version, sampler.invested, None, sampler.late
        pass_midnights = self._plain.pass_midnights
        self._loop.held_before = held
        for now in self._streams[0].emits(count):
            if schedule.due_us <= now and not pass_midnights(now, None if unseen is None else self._pass_unseen):
                return plain
            if not late.is_open and unseen is not None and unseen.next_emit <= now:
                self._pass_unseen(now)
                unseen.skip_before(now + 1)
            plain = moment(now) and manager.version == version and universes.next_us == universe_us
            changed = sampler.invested is not held or (held and not guard.is_same())
            if changed or (late.is_open and not late.holds()):
                self._loop.keep_value()
                return plain
            if not plain:
                return False
        return plain

    def _moment(self, now: int) -> bool:
        """Do the work of one moment; return whether the next one can be of the same stretch."""
        loop, transactions, sampler, plain = self._loop, self._transactions, self._sampler, self._plain
        self._clock.utc_us = now
        points = [stream.take() for stream in self._streams]
        told = points if self._all_seen else [p for s, p in zip(self._streams, points, strict=True) if s.seen]
        loop.bars += len(told)
        data = self._algorithm._current_slice = Slice(now, told, self._find, self._zone)
        if now >= loop.next_hour:
            loop.next_hour = (now // HOUR_US + 1) * HOUR_US
            loop.on_the_hour()
        self._portfolio._total = None
        if self._schedule.due_us <= now:
            self._schedule.run_until(now)
        if now >= loop.next_margin_check:
            loop.next_margin_check = now + MARGIN_CHECK_US
        for lane, consolidators in self._lanes:
            if lane.followed != lane.size or lane.size != len(consolidators):
                plain.advance(list(zip(self._streams, points, strict=True)))
                break
        else:
            for lane, _ in self._lanes:
                lane.row += 1
        loop.on_data(data)
        same = plain.is_plain() or plain.work_on(data)
        if transactions._needs_scan or transactions._queue:
            transactions.process_synchronous_events()
            same = False
        capacity = sampler.capacity
        if now >= sampler.due_us or (capacity.watched and capacity.behind is None):
            sampler.on_slice(now)
        if loop.on_progress is not None:
            loop.tell_progress(now)
        return same

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
