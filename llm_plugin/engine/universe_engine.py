"""Universes: selection at their trigger times, additions and removals."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.enums import SecurityType
from llm_plugin.engine.symbols import Symbol
from llm_plugin.engine.zones import from_us, to_us

__all__ = ["UniverseEngine"]


class UniverseEngine:
    """Asks universes for their symbols when they trigger.

    Args:
        core: The run.
        end_us: Triggers after it are ignored.
    """

    def __init__(self, core: EngineCore, end_us: int) -> None:
        self._core, self._end_us = core, end_us
        self._heap: list[tuple[int, int, Any, Iterator[Any]]] = []
        self._count = 0
        self._since: dict[tuple[int, Symbol], int] = {}

    def start(self, now_us: int) -> None:
        """Take over the selection model's universes and those that the user added."""
        core = self._core
        for universe in (*core.algorithm.framework.create_universes(), *core.user_universes):
            self.add(universe, now_us)
        core.user_universes.clear()
        self.run_due(now_us)

    def add(self, universe: Any, now_us: int) -> None:
        """Follow a universe from now on."""
        kind, market = getattr(universe, "security_type", SecurityType.EQUITY), getattr(universe, "market", "usa")
        hours = self._core.market_hours.get_exchange_hours(market, "", kind)
        times = universe.trigger_times(from_us(now_us), from_us(self._end_us), hours)
        self._count += 1
        self._push(self._count, universe, iter(times))

    def _push(self, number: int, universe: Any, times: Iterator[Any]) -> None:
        moment = next(times, None)
        if moment is not None and to_us(moment) <= self._end_us:
            heapq.heappush(self._heap, (to_us(moment), number, universe, times))

    @property
    def next_us(self) -> int | None:
        """When the next selection is due."""
        return self._heap[0][0] if self._heap else None

    def run_due(self, now_us: int) -> None:
        """Select for every universe that is due; the clock stands at the time."""
        while self._heap and self._heap[0][0] <= now_us:
            _, number, universe, times = heapq.heappop(self._heap)
            self._select(number, universe, now_us)
            if not universe.dispose_requested:
                self._push(number, universe, times)

    def _select(self, number: int, universe: Any, now_us: int) -> None:
        core = self._core
        answer = universe.select_symbols(core.algorithm, from_us(now_us))
        if answer is type(universe).UNCHANGED:
            return
        wanted: dict[Symbol, None] = dict.fromkeys(answer)
        for symbol in wanted:
            if symbol not in universe.members:
                universe.members[symbol] = core.algorithm.add_from_universe(symbol, universe.universe_settings)
                self._since[number, symbol] = now_us
        settings = universe.universe_settings or core.universe_settings
        shortest = int(settings.minimum_time_in_universe.total_seconds() * 1_000_000)
        for symbol in [s for s in universe.members if s not in wanted]:
            if now_us - self._since[number, symbol] < shortest:
                continue
            security = universe.members.pop(symbol)
            if security not in core.pending_removals:
                core.pending_removals.append(security)
