"""Universes at work: selection at their trigger times, members, additions and removals as LEAN does them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.names import find_member
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.base.zones import from_us, to_us
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.framework.universe import next_refresh
from llm_plugin.engine.market.symbols import Symbol

if TYPE_CHECKING:
    from llm_plugin.engine.securities.security import Security

__all__ = ["UniverseEngine"]

_FAR = 1 << 62
_ON_TIME = 0, _FAR
_ROUNDINGS = tuple(int(span.total_seconds() * 1_000_000) for span in (
    timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
))  # fmt: skip


class UniverseEngine:
    """Asks universes for their symbols when they trigger.

    Args:
        core: The run.
        end_us: Triggers after it are ignored.
    """

    def __init__(self, core: EngineCore, end_us: int) -> None:
        self._core, self._end_us = core, end_us
        # (time, ticks past it, resolution, identity, count, universe, later times)
        self.waiting: list[tuple[int, int, int, str, int, Any, Iterator[Any]]] = []
        self._count = 0
        # The later times of those that are selecting now.
        self._due: dict[Any, Iterator[Any]] = {}
        # How many ticks after its times a universe that began anew selects, and until when.
        self._late: dict[Any, tuple[int, int]] = {}
        self._pending: dict[Any, list[Symbol]] = {}
        self._from_model: set[Symbol] = set()
        # Universes that select nothing once more before they go.
        self.disposed: list[Any] = []

    def start(self, now_us: int) -> None:
        """Take over the universes that the user added and the selection model's."""
        core = self._core
        self._forget_unstarted()
        created = core.algorithm.framework.create_universes()
        for universe in (*core.user_universes, *created):
            if self.add(universe, now_us) and universe in created:
                self._from_model.add(universe.symbol)
        core.user_universes.clear()
        self.run_due(now_us)

    def _forget_unstarted(self) -> None:
        """What initialize removed again never was."""
        core = self._core
        leaving, core.leaving = core.leaving, []
        for universe, security in leaving:
            if security in core.added:
                core.added.remove(security)
            universe.selected.pop(security.symbol, None)
            self.drop(universe, security)

    def add(self, universe: Any, now_us: int) -> bool:
        """Follow a universe from now on; one with the symbol of a known one is ignored."""
        core = self._core
        if not core.universe_manager.include(universe):
            return False
        if universe.universe_settings is None:
            universe.universe_settings = core.universe_settings
        hours = core.market_hours.get_exchange_hours(universe.market, "", universe.security_type)
        if core.locked and universe.is_timed:
            self._begin_late(universe, now_us)
            return True
        times = universe.trigger_times(from_us(now_us), from_us(self._end_us), hours)
        self._push(universe, iter(times))
        return True

    def restart(self, now_us: int) -> None:
        """Begin universes that LEAN fills forward anew, one tick from now: the fill resolution has changed."""
        again = [universe for universe in (*self._due, *(entry[5] for entry in self.waiting)) if universe.fills_forward]
        if not again:
            return
        self.waiting = [entry for entry in self.waiting if not entry[5].fills_forward]
        heapq.heapify(self.waiting)
        for universe in again:
            self._due.pop(universe, None)
            self._begin_late(universe, now_us)

    def _begin_late(self, universe: Any, now_us: int) -> None:
        core = self._core
        hours = core.market_hours.get_exchange_hours(universe.market, "", universe.security_type)
        ticks = core.clock.ticks + 1
        # After a warm-up LEAN reads from a stream of its own, which began with a day.
        until = core.clock.zone.utc(to_us(core.start)) if core.is_warming_up else _FAR
        self._late[universe] = ticks, until
        # Counted as microseconds where times are calculated: market hours see that the time is past the full one.
        begin = from_us(now_us + ticks)
        self._push(universe, iter(universe.trigger_times(begin, from_us(self._end_us), hours)))

    def _push(self, universe: Any, times: Iterator[Any]) -> None:
        moment = next(times, None)
        # Data of the last day may be told after the end: it selects nothing, but time goes on to it.
        if moment is not None and (universe.from_data or to_us(moment) <= self._end_us):
            self._count += 1
            ticks, until = self._late.get(universe, _ON_TIME)
            at = to_us(moment) - ticks
            # The finest resolution selects first, then by identity.
            order = int(universe.resolution), str(universe.symbol.id)
            entry = at, ticks if at < until else 0, *order, self._count, universe, times
            heapq.heappush(self.waiting, entry)
            beat()

    @property
    def next_us(self) -> int | None:
        """When the next selection is due."""
        waiting = self.waiting
        return waiting[0][0] if waiting else None

    @property
    def next_ticks(self) -> int:
        """How many ticks past its time the next selection is due: after the data of that time, if any."""
        waiting = self.waiting
        return waiting[0][1] if waiting else 0

    def run_due(self, now_us: int) -> None:
        """Select for every universe that is due; the clock stands at the time."""
        gone, self.disposed = self.disposed, []
        for universe in gone:
            self._select(universe, now_us)
        now = now_us, self._core.clock.ticks
        while self.waiting and self.waiting[0][:2] <= now:
            *_, universe, times = heapq.heappop(self.waiting)
            self._due[universe] = times
        for universe in list(self._due):
            if universe.dispose_requested:
                self._due.pop(universe, None)
            elif now_us <= self._end_us:
                self._select(universe, now_us)
        due, self._due = self._due, {}
        for universe, times in due.items():
            self._push(universe, times)

    # The selection model's wish for new universes.
    def refresh(self, now_us: int) -> None:
        """Ask the selection model again if its time has come."""
        core = self._core
        framework, manager = core.algorithm.framework, core.universe_manager
        if core.clock.utc_time < next_refresh(framework.universe_selection):
            return
        for universe in [u for u in manager.values() if u.dispose_requested]:
            manager.forget(universe.symbol)
            self._from_model.discard(universe.symbol)
        leaving = set(self._from_model)
        for universe in framework.create_universes():
            leaving.discard(universe.symbol)
            if self.add(universe, now_us):
                self._from_model.add(universe.symbol)
        for symbol in leaving:
            self.dispose(manager[symbol])

    def dispose(self, universe: Any) -> None:
        """Let a universe go: it selects nothing at the next moment."""
        if not universe.dispose_requested:
            universe.dispose()
        self.disposed.append(universe)
        beat()

    # Selection.
    def _answer(self, universe: Any, now_us: int) -> dict[Symbol, None] | None:
        if universe.dispose_requested:
            return {}
        answer = universe.select_symbols(self._core.algorithm, from_us(now_us))
        if answer is type(universe).UNCHANGED:
            return None
        wanted: dict[Symbol, None] = dict.fromkeys(answer)
        if wanted.keys() == universe.previous.keys():
            return None
        universe.previous = wanted
        return wanted

    def _select(self, universe: Any, now_us: int) -> None:
        wanted = self._answer(universe, now_us)
        if wanted is not None:
            universe.selected = wanted
        self.check_pending(universe)
        if wanted is None:
            return
        self._deselect(universe, now_us)
        for symbol in wanted:
            if symbol not in universe.members and not universe.dispose_requested:
                self._admit(universe, symbol, now_us)

    def _admit(self, universe: Any, symbol: Symbol, now_us: int) -> None:
        core = self._core
        known = core.securities.get(symbol)
        if known is not None and known.is_delisted:
            return
        security, new = core.algorithm.add_from_universe(symbol, universe)
        universe.admit(symbol, security, now_us)
        if new and security not in core.added:
            core.added.append(security)

    def _deselect(self, universe: Any, now_us: int) -> None:
        core = self._core
        members = sorted(universe.members.items(), key=lambda item: (int(item[0].security_type), str(item[0].id)))
        for symbol, security in members:
            if symbol in universe.selected or not self._may_leave(universe, symbol, security, now_us):
                continue
            # LEAN tells so although the security may stay while there are holdings or orders.
            if not security.is_delisted and not self._is_pending(symbol):
                core.removed.append(security)
            if self._is_idle(security):
                self.drop(universe, security)
            elif symbol not in self._pending.setdefault(universe, []):
                self._pending[universe].append(symbol)

    def _may_leave(self, universe: Any, symbol: Symbol, security: Security, now_us: int) -> bool:
        if universe.dispose_requested or security.is_delisted:
            return True
        settings = universe.universe_settings or self._core.universe_settings
        shortest = int(settings.minimum_time_in_universe.total_seconds() * 1_000_000)
        stayed: int = now_us - universe.since[symbol]
        step = next((span for span in _ROUNDINGS if shortest >= span), 0)
        if step:
            stayed = (stayed + step // 2) // step * step
        return stayed >= shortest

    def _is_pending(self, symbol: Symbol) -> bool:
        return any(symbol in waiting for waiting in self._pending.values())

    def _is_idle(self, security: Security) -> bool:
        if security.holdings.exact_quantity != 0:
            return False
        if any(order.symbol == security.symbol for order in self._core.transactions.iterate_open_orders()):
            return False
        target = security.holdings.target
        if target is not None and target.quantity != 0:
            return False
        unsettled = find_member(security.settlement_model, "get_unsettled_cash")
        cash = None if unsettled is None else unsettled()
        return cash is None or not cash.amount > 0

    def check_pending(self, current: Any) -> None:
        """Drop deselected members that nothing holds back any more; one that is selected again stays."""
        for universe, waiting in list(self._pending.items()):
            for symbol in list(waiting):
                security = universe.members.get(symbol)
                idle = security is None or self._is_idle(security)
                if not idle and not (universe is current and symbol in universe.selected):
                    continue
                waiting.remove(symbol)
                if idle and security is not None:
                    self.drop(universe, security)
            if not waiting:
                del self._pending[universe]

    # What the user adds and removes by hand.
    def leave(self, universe: Any, security: Security, now_us: int) -> None:
        """Deselect one member of a universe."""
        universe.selected.pop(security.symbol, None)
        universe.previous.pop(security.symbol, None)
        self.check_pending(universe)
        if security.symbol in universe.members:
            self._deselect(universe, now_us)

    def drop(self, universe: Any, security: Security) -> None:
        """Take a security out of a universe, and its streams unless another universe has them."""
        core = self._core
        universe.expel(security.symbol)
        active = core.universe_manager.has_member(security.symbol)
        core.data_manager.release(security, universe.symbol, everything=not active)
        if not active:
            security.is_tradable = False
            security.cache.reset()
            core.securities.remove(security.symbol)
