"""Universes: selection at their trigger times, additions and removals."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.symbols import Symbol
from llm_plugin.engine.zones import from_us

__all__ = ["start_universes"]


def start_universes(core: EngineCore, start_us: int, end_us: int) -> None:
    """Create the selection model's universes and select those that trigger at the start."""
    algorithm = core.algorithm
    for universe in algorithm.framework.create_universes():
        select(core, universe, start_us)


def select(core: EngineCore, universe: Any, now_us: int) -> None:
    """Apply a universe's selection."""
    answer = universe.select_symbols(core.algorithm, from_us(now_us))
    if answer is type(universe).UNCHANGED:
        return
    wanted: dict[Symbol, None] = dict.fromkeys(answer)
    for symbol in wanted:
        if symbol not in universe.members:
            universe.members[symbol] = core.algorithm.add_from_universe(symbol, universe.universe_settings)
    for symbol in [s for s in universe.members if s not in wanted]:
        security = universe.members.pop(symbol)
        if security not in core.pending_removals:
            core.pending_removals.append(security)
