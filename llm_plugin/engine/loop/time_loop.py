"""The time loop: LEAN's order of work for each moment of a backtest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_plugin.engine.base.enums import AlgorithmStatus
from llm_plugin.engine.base.names import find_member
from llm_plugin.engine.base.zones import HOUR_US, to_us
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.data.slices import Slice
from llm_plugin.engine.feed.data_manager import DataManager
from llm_plugin.engine.loop.consolidators import LoopConsolidators
from llm_plugin.engine.loop.corporate_actions import CorporateActions
from llm_plugin.engine.loop.plain_moments import PlainMoments
from llm_plugin.engine.loop.quiet_moments import nothing_settles
from llm_plugin.engine.loop.sampling import RunSampler
from llm_plugin.engine.models.margin_calls import MARGIN_CHECK_US, MarginCallModel
from llm_plugin.engine.models.settlement import ImmediateSettlementModel, ScanSettlementModelParameters
from llm_plugin.engine.models.shortable import MarginInterestRateParameters
from llm_plugin.engine.models.volatility import warm_up_volatility
from llm_plugin.engine.portfolio.value_guard import ValueGuard
from llm_plugin.engine.progress import Progress
from llm_plugin.engine.scheduling.end_of_day import EndOfDay
from llm_plugin.engine.universe.changes import SecurityChanges

__all__ = ["Progress", "TimeLoop"]

_MARGIN_ALARM = 0.9
_PROGRESS_EVERY = 2048
_NOTHING: list[tuple[Any, Any]] = []


class TimeLoop:
    """Runs an initialised algorithm from the first to the last moment.

    Args:
        core: The run.
        manager: Its streams.
        sampler: Takes the samples for the statistics.
        on_progress: Called now and then.
    """

    def __init__(
        self,
        core: EngineCore,
        manager: DataManager,
        sampler: RunSampler,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.core = core
        self.algorithm = core.algorithm
        self.manager = manager
        self.sampler = sampler
        self.bars = 0
        self.on_progress = on_progress
        self._slices = 0
        self._clock, self._portfolio = core.clock, core.portfolio
        self._schedule = core.algorithm.schedule
        self._transactions = core.transactions
        self._margin = core.portfolio.margin_call_model or MarginCallModel(core)
        self.next_margin_check = 0
        self.next_hour = -1
        self._any_auxiliary = False
        self.held_before = False
        self.consolidators = LoopConsolidators(core, manager)
        self.value = self._margin_used = 0.0
        self.guard = ValueGuard(core, _MARGIN_ALARM)
        self._real_start = to_us(core.start)
        self._find = core.symbol_cache.find
        self._end_of_day = EndOfDay(core.algorithm)
        self._handlers()

    def _handlers(self) -> None:
        from llm_plugin.engine.algorithm.qc_algorithm import QCAlgorithm

        def wanted(name: str) -> Any:
            found = getattr(self.algorithm, name)
            return None if getattr(found, "__func__", None) is getattr(QCAlgorithm, name) else found

        self.on_data = wanted("on_data")
        names = ("splits", "dividends", "delistings")
        self._corporate = CorporateActions(self.core, {name: wanted(f"on_{name}") for name in names})

    # The run.
    def run(self) -> None:
        """Go through all moments; the caller handles what user code raises."""
        core, manager = self.core, self.manager
        core.clock.utc_us = start = manager.start_us
        self._real_start = core.clock.zone.utc(to_us(core.start))
        self._activate(start)
        self._end_of_day.start(core.securities.values())
        for security in core.securities.values():
            if security.volatility_model is not None:
                warm_up_volatility(self.algorithm, security)
        self._schedule.start(start)
        consolidators = self.consolidators
        consolidators.follow()
        self.step(start, manager.collect(start))
        heap, collect, step = manager.heap, manager.collect, self.step
        subscriptions = core.subscription_manager
        # Against a clock on the wall every moment is waited for.
        plain = PlainMoments(self).run if type(self) is TimeLoop else None
        while core.status is AlgorithmStatus.RUNNING:
            if core.added or core.removed or core.pending_streams or core.leaving:
                self._apply_changes()
                # What the user does on being told comes before time goes on.
                continue
            if subscriptions.version != consolidators.version:
                consolidators.follow()
            due = core.universes.next_us
            if not heap and due is None:
                break
            now = heap[0][0] if heap else due
            ticks = core.universes.next_ticks
            if due is not None and (due < now or (due == now and not (ticks and heap))):
                self._pulse(due, ticks)
                continue
            if core.universes.disposed:
                self._pulse(now)
                continue
            if core.is_warming_up and now > self._real_start > core.clock.utc_us:
                self.step(self._real_start, [])
                continue
            if plain is None or not plain(due):
                step(now, collect(now))

    def pass_over(self, times: list[int]) -> None:
        """Stand where moments that were not gone through would have left the loop, with the samples due at them."""
        now = times[-1]
        self._clock.utc_us = now
        self.next_hour = (now // HOUR_US + 1) * HOUR_US
        if now >= self.next_margin_check:
            self.next_margin_check = now + MARGIN_CHECK_US
        self._portfolio.invalidate()
        self.algorithm._current_slice = Slice(now, [], self._find, self._clock.zone)
        if now >= self.sampler.due_us:
            self.sampler.pass_slices(times)

    @property
    def is_waiting(self) -> bool:
        """Whether the next moment could matter even without data of the user's."""
        works = self._transactions.has_work and not self._transactions.waits_for_data()
        return bool(works or self.consolidators.scannable or self.core.running_sessions)

    @property
    def is_solvent(self) -> bool:
        """Whether value and margin are known to be far from where something happens, at the prices of now."""
        if self.value <= 1.0:
            return False
        if not self.sampler.invested:
            return True
        calm = type(self._margin) is MarginCallModel and self._margin_used <= _MARGIN_ALARM * self.value
        return calm and self.guard.holds()

    def finish(self) -> None:
        """Run the user's last handler and take the last samples."""
        self.algorithm.on_end_of_algorithm()
        self.sampler.finish(self.core.clock.utc_us)

    def _pulse(self, now: int, ticks: int = 0) -> None:
        """Let time advance without data and the due universes select; then go on with the data of this time."""
        # What is due at the full microsecond comes before the ticks past it.
        self._catch_up(now + 1 if ticks else now)
        self._clock.stand(max(now, self._clock.utc_us), ticks)
        self.core.universes.run_due(now)
        self._activate(now)
        self.step(now, self.manager.collect(now))

    def _apply_changes(self) -> None:
        core, now = self.core, self.core.clock.utc_us
        leaving, core.leaving = core.leaving, []
        for universe, security in leaving:
            core.universes.leave(universe, security, now)
        if core.pending_streams:
            core.universes.check_pending(None)
            # What is added by hand comes a tick later: bars that end now are over for it.
            core.clock.stand(now, core.clock.ticks + 1)
        self._activate(now)
        if core.added or core.removed:
            self.step(now, self.manager.collect(now))

    def _activate(self, now: int) -> None:
        self.manager.activate(now)
        self.manager.ensure_conversions(now)
        self.manager.activate(now)

    # One moment.
    def step(self, now: int, updates: list[tuple[Any, Any]]) -> None:
        """Do LEAN's work of one time slice, in its order."""
        core = self.core
        # Exact arithmetic is slow: the estimate of the last moment tells whether a look is worth it.
        if self.value <= 1.0 and self._broke():
            return
        schedule, transactions, sampler = self._schedule, self._transactions, self.sampler
        consolidators = self.consolidators
        changed = core.subscription_manager.version != consolidators.version
        if schedule.due_us < now or consolidators.scannable or changed:
            self._catch_up(now)
        self._clock.utc_us = now
        data = self._update(now, updates)
        auxiliary = self._auxiliary(updates) if self._any_auxiliary else _NOTHING
        if now >= self.next_hour or auxiliary or not core.warmup_finished:
            self._settle(now, auxiliary)
        self._portfolio.invalidate()
        if transactions.has_work:
            transactions.process_synchronous_events()
        if schedule.due_us <= now:
            schedule.run_until(now)
        if core.status is not AlgorithmStatus.RUNNING:
            return
        if now >= self.next_margin_check:
            self.next_margin_check = now + MARGIN_CHECK_US
            self.check_margin()
        self.tell_user(data, updates, auxiliary)
        if transactions.has_work:
            transactions.process_synchronous_events()
        if now >= sampler.due_us or sampler.capacity.watched:
            sampler.on_slice(now)
        self.tell_progress(now)

    def _catch_up(self, now: int) -> None:
        """Fire what was due before this moment, with the clock at its own time."""
        if self._schedule.due_us < now:
            self._schedule.run_before(now, self.set_clock)
        self.consolidators.catch_up(now)

    def _settle(self, now: int, auxiliary: list[tuple[Any, Any]]) -> None:
        """Hourly work, the cached portfolio value, the end of the warm-up, ticker changes."""
        if now >= self.next_hour:
            self.next_hour = (now // HOUR_US + 1) * HOUR_US
            self.on_the_hour()
        self._portfolio.invalidate()
        if not self.core.warmup_finished and now >= self._real_start:
            self._end_warmup()
        if auxiliary:
            self._corporate.tell_ticker_changes(auxiliary)

    def tell_user(self, data: Slice, updates: list[tuple[Any, Any]], auxiliary: list[tuple[Any, Any]]) -> None:
        """Changes, corporate events, consolidators, data, framework: in this order."""
        core = self.core
        if core.added or core.removed:
            self._notify_changes()
        if auxiliary:
            self._corporate.apply(auxiliary)
        # Consolidators that a fill of this moment brought see its data too.
        self.consolidators.renew()
        if self.consolidators.configs:
            self.consolidators.tell(updates)
        if auxiliary:
            self._corporate.tell(data)
        if self.on_data is not None and data.has_data:
            self.on_data(data)
        framework = self.algorithm.framework
        if framework.refreshes:
            core.universes.refresh(core.clock.utc_us)
        if not framework.is_idle or framework.insights.total_count:
            framework.on_slice(data)

    def set_clock(self, utc_us: int) -> None:
        """Stand at the time of something scheduled."""
        self.core.clock.utc_us = utc_us
        if self.core.running_sessions:
            self._scan_sessions()

    def _broke(self) -> bool:
        if self.core.portfolio.exact_total > 0:
            return False
        self.core.message("", "The portfolio value is 0 or less: the backtest ends.")
        self.core.status = AlgorithmStatus.STOPPED
        return True

    def _update(self, now: int, updates: list[tuple[Any, Any]]) -> Slice:
        core, algorithm = self.core, self.algorithm
        points = []
        self._any_auxiliary = False
        held = self.held_before = self.sampler.invested
        for stream, point in updates:
            security = stream.security
            config = stream.config
            if not config.is_internal_feed:
                points.append(point)
            if stream.auxiliary:
                self._any_auxiliary = True
                continue
            if not point.is_fill_forward:
                stream.store(point)
                security.has_data = True
                security._fixed = None
                if held or security.volatility_model is not None:
                    self.notice(security, point)
        self.bars += len(points)
        if held or self.value <= 1.0:
            self.keep_value()
        if core.running_sessions:
            self._feed_sessions(updates)
        data = Slice(now, points, self._find, core.clock.zone)
        algorithm._current_slice = data
        return data

    def notice(self, security: Any, point: Any) -> None:
        """Tell the volatility model and the open trade of a security about a new price."""
        if security.volatility_model is not None:
            security.volatility_model.update(security, point)
        if self.held_before and security.holdings.exact_quantity:
            builder = self.algorithm.trade_builder
            quiet = getattr(builder, "is_quiet", None)
            if quiet is None or not quiet(security.symbol, security.near_price):
                builder.set_market_price(security.symbol, security.exact_price)

    def keep_value(self) -> None:
        """Estimate the account's value anew where prices or fills can have made it matter."""
        if not self.guard.holds():
            self.value, self._margin_used = self.sampler.estimate()
            self.guard.renew(self.sampler.held, self.value, self._margin_used)

    def _feed_sessions(self, updates: list[tuple[Any, Any]]) -> None:
        self._scan_sessions()
        for security, session in self.core.running_sessions:
            for stream, point in updates:
                mine = stream.security is security and not stream.auxiliary
                if mine and not stream.config.is_internal_feed:
                    session.update(point)

    def _scan_sessions(self) -> None:
        for security, session in self.core.running_sessions:
            session.scan(security.local_time)

    def _auxiliary(self, updates: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
        for stream, _ in updates:
            if stream.auxiliary:
                return [(s.security, point) for s, point in updates if s.auxiliary]
        return _NOTHING

    # Hourly and warm-up.
    def on_the_hour(self) -> None:
        """Settle funds and charge margin interest."""
        core = self.core
        for security in () if nothing_settles(core) else core.securities.values():
            model = security.settlement_model
            if type(model) is not ImmediateSettlementModel:
                scan = find_member(model, "scan")
                if scan is not None:
                    scan(ScanSettlementModelParameters(core.portfolio, security, core.clock.utc_time))
            interest = security.margin_interest_rate_model
            if interest is not None:
                apply = find_member(interest, "apply_margin_interest_rate")
                if apply is not None:
                    apply(MarginInterestRateParameters(security, core.clock.utc_time))

    def _end_warmup(self) -> None:
        core = self.core
        core.warmup_finished = True
        core.is_warming_up = False
        self.sampler.on_warmup_finished()
        self.algorithm.on_warmup_finished()

    # Margin.
    def check_margin(self) -> bool:
        """Call for margin where the account may lack it; return whether the margin model was asked."""
        custom = type(self._margin) is not MarginCallModel
        needed = self.held_before and (custom or self._margin_used > _MARGIN_ALARM * self.value)
        if needed:
            self._margin.check()
        return bool(needed)

    # Changes of securities.
    def _notify_changes(self) -> None:
        core, algorithm = self.core, self.algorithm
        added = [s for s in core.added if not s.is_internal]
        # What one universe drops and another one takes at the same time is no removal.
        removed = [s for s in core.removed if not s.is_internal and s not in added]
        core.added, core.removed = [], []
        changes = SecurityChanges(added, removed)
        if changes.count:
            self._end_of_day.follow(added, removed)
            algorithm.on_securities_changed(changes)
            algorithm.framework.on_securities_changed(changes)

    def tell_progress(self, now: int, moments: int = 1) -> None:
        """Report every so many moments.

        Args:
            now: The last moment.
            moments: How many there were since the last call.
        """
        if self.on_progress is None:
            return
        before = self._slices
        self._slices += moments
        if self._slices // _PROGRESS_EVERY > before // _PROGRESS_EVERY:
            span = max(1, self.manager.end_us - self.manager.start_us)
            fraction = min(1.0, (now - self.manager.start_us) / span)
            self.on_progress(Progress(self.core.clock.aware_utc, self.bars, fraction))
