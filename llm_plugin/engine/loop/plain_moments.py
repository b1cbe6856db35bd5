"""Moments at which bars reach prices, indicators and the user, and nothing else is at work: gone through in one go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import AlgorithmStatus, SecurityType
from llm_plugin.engine.base.zones import HOUR_US
from llm_plugin.engine.data.slices import Slice
from llm_plugin.engine.loop.quiet_moments import QuietMoments
from llm_plugin.engine.loop.stretches import Stretches
from llm_plugin.engine.models.margin_calls import MARGIN_CHECK_US

if TYPE_CHECKING:
    from llm_plugin.engine.loop.time_loop import TimeLoop

__all__ = ["PlainMoments"]

_FAR = 1 << 62
_CRYPTO = SecurityType.CRYPTO
_RUNNING = AlgorithmStatus.RUNNING
_NOTHING: list[tuple[Any, Any]] = []


class PlainMoments:
    """Does the work of `TimeLoop.step`, in its order, where most of what that asks for cannot have an answer.

    A moment is plain while there are only streams of bars, the warm-up is over, no security keeps a session, no
    consolidator waits for the time, and the framework is idle. Whatever user code does to end that is seen before the
    next moment, which then goes the general way. Orders, fills, margin and samples do not end it.

    Args:
        loop: The loop that would go through them.
    """

    def __init__(self, loop: TimeLoop) -> None:
        self._loop = loop
        self._core, self._sampler, self._manager = loop.core, loop.sampler, loop.manager
        self._algorithm = loop.core.algorithm
        self._clock, self._portfolio = loop.core.clock, loop.core.portfolio
        self._schedule, self._transactions = self._algorithm.schedule, loop.core.transactions
        self._subscriptions, self._consolidators = loop.core.subscription_manager, loop.consolidators
        self._framework, self._insights = self._algorithm.framework, self._algorithm.framework.insights
        self._zone, self._find = loop.core.clock.zone, loop.core.symbol_cache.find
        self._quiet = QuietMoments(loop)
        self._stretches = Stretches(self, loop)

    def run(self, universe_us: int | None) -> bool:
        """Go through moments as long as they are plain; return whether any was gone through.

        Args:
            universe_us: When a universe selects next.
        """
        if not (self._core.warmup_finished and self.is_plain() and self._loop.value > 1.0):
            return False
        heap, collect, moment = self._manager.heap, self._manager.collect, self.moment
        skip, stretch = self._quiet.skip, self._stretches.run
        universes, alone = self._core.universes, self._manager.is_alone
        end = _FAR if universe_us is None else universe_us
        moved = False
        while heap:
            now, _, stream = heap[0]
            if now >= end or not stream.plain or not self.pass_midnights(now):
                break
            moved = True
            if stream.unseen and alone(now) and skip(now, universe_us):
                continue
            plain = stretch(universe_us)
            if plain is not None:
                if plain:
                    continue
                break
            updates = collect(now)
            if not (moment(now, updates) and universes.next_us == universe_us):
                break
        return moved

    def pass_midnights(self, now: int, before: Callable[[int], int] | None = None) -> bool:
        """Take the daily samples before a moment; return False where something else is due up to it.

        Args:
            now: The moment.
            before: Goes through what comes before a midnight, and returns what comes next; None = nothing does.
        """
        schedule, midnight = self._schedule, self._sampler.midnight
        while (due := schedule.due_us) <= now:
            if schedule.due_event is not midnight:
                return False
            if due == now:
                return True
            end = now if before is None else min(now, before(due))
            if end == due:
                return False
            if not self._sampler.pass_midnights(end):
                schedule.fire_next(self._loop.set_clock)
        return True

    def is_plain(self) -> bool:
        """Whether nothing is at work that a moment would have to ask for."""
        core, framework = self._core, self._framework
        return not (
            core.added
            or core.removed
            or core.pending_streams
            or core.leaving
            or core.running_sessions
            or self._subscriptions.version != self._consolidators.version
            or self._consolidators.scannable
            or core.universes.disposed
            or not framework.is_idle
            or self._insights.total_count
            or core.status is not _RUNNING
            or framework.refreshes
        )

    def moment(self, now: int, updates: list[tuple[Any, Any]]) -> bool:
        """Do the work of one moment; return whether the next one can be plain."""
        loop, schedule, transactions = self._loop, self._schedule, self._transactions
        self._clock.utc_us = now
        points = self._update(updates)
        data = self._algorithm._current_slice = Slice(now, points, self._find, self._zone)
        self.pass_hour(now)
        self._portfolio._total = None
        plain = True
        worked = transactions._needs_scan or transactions._queue
        if worked:
            transactions.process_synchronous_events()
        # Whether code of the user's may have been asked since.
        asked = bool(points)
        if schedule.due_us <= now:
            asked = True
            schedule.run_until(now)
        if worked and self._core.status is not _RUNNING:
            return False
        if now >= loop.next_margin_check:
            loop.next_margin_check = now + MARGIN_CHECK_US
            asked |= loop.check_margin()
        if worked:
            loop.tell_user(data, updates, _NOTHING)
        elif points:
            plain = self.tell(data, updates)
        self.finish(now, asked=asked)
        loop.tell_progress(now)
        if worked and self._sampler.invested:
            # What was filled changed the account: moments that follow can be judged at once.
            loop.keep_value()
        return plain and loop.value > 1.0 and not (worked and not self.is_plain())

    def pass_hour(self, now: int) -> None:
        """Do the work of a new hour, where one has begun."""
        loop = self._loop
        if now >= loop.next_hour:
            loop.next_hour = (now // HOUR_US + 1) * HOUR_US
            loop.on_the_hour()

    def finish(self, now: int, *, asked: bool = True) -> None:
        """Work off orders and take samples, after the user has seen a moment.

        Args:
            now: The moment.
            asked: Whether code of the user's may have been asked in it.
        """
        self.work_off(asked=asked)
        self.sample(now)

    def work_off(self, *, asked: bool = True) -> None:
        """Work off orders, unless nothing can have changed since they were looked at."""
        transactions = self._transactions
        if (transactions._needs_scan or transactions._queue) and (asked or not transactions.waits_for_data()):
            transactions.process_synchronous_events()

    def sample(self, now: int) -> None:
        """Take the samples of a moment."""
        sampler = self._sampler
        capacity = sampler.capacity
        if now >= sampler.due_us or (capacity.watched and capacity.behind is None):
            sampler.on_slice(now)

    def _update(self, updates: list[tuple[Any, Any]]) -> list[Any]:
        """Let prices follow; return what the user gets to see."""
        loop = self._loop
        held = loop.held_before = self._sampler.invested
        points = []
        priced = False
        for stream, point in updates:
            if stream.unseen:
                stream.store(point)
                stream.security.has_data = True
                stream.security._fixed = None
                continue
            priced = True
            if stream.seen:
                points.append(point)
            if not point.is_fill_forward:
                stream.store(point)
                security = stream.security
                security.has_data = True
                security._fixed = None
                # A quote that sets no price tells an open trade nothing.
                fresh = security.cache.source is point or security.type is _CRYPTO
                if (held and fresh) or security.volatility_model is not None:
                    loop.notice(security, point)
        loop.bars += len(points)
        if held and priced:
            loop.keep_value()
        return points

    def tell(self, data: Slice, updates: list[tuple[Any, Any]]) -> bool:
        """Consolidators, the user, the framework; return whether the next moment can be plain."""
        loop = self._loop
        if self._consolidators.configs:
            self.advance(updates)
        if loop.on_data is not None:
            loop.on_data(data)
        return self.is_plain() or self.work_on(data)

    def work_on(self, data: Slice) -> bool:
        """Let the framework do what there suddenly is for it; return that the next moment cannot be plain."""
        framework = self._framework
        if framework.refreshes:
            self._core.universes.refresh(data._us)
        if not framework.is_idle or self._insights.total_count:
            framework.on_slice(data)
        return False

    def advance(self, updates: list[tuple[Any, Any]]) -> None:
        """Let indicators that follow a stream see its bar; the other consolidators are told."""
        others = []
        for entry in updates:
            stream = entry[0]
            config = stream.config
            lane = config.lane
            if (
                lane is not None
                and lane.stream is stream
                and lane.row < lane.count
                and lane.followed == lane.size == len(config.consolidators)
            ):
                lane.row += 1
            elif config.consolidators:
                others.append(entry)
        if others:
            self._consolidators.tell(others)
