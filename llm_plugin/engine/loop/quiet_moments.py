"""Moments that only the benchmark has: where nothing can come of them, they are passed over in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_plugin.engine.models.settlement import ImmediateSettlementModel

if TYPE_CHECKING:
    from llm_plugin.engine.core import EngineCore
    from llm_plugin.engine.loop.time_loop import TimeLoop

__all__ = ["QuietMoments", "nothing_settles"]

_FAR = 1 << 62


class QuietMoments:
    """Knows which moments can be passed over.

    Orders, schedules, samples, margin, settlement, sessions, warm-up and the framework are what a moment without data
    of the user's could still move: with any of them at work it is a moment like all others.

    Args:
        loop: The loop that would go through them.
    """

    def __init__(self, loop: TimeLoop) -> None:
        self._loop = loop
        self._core, self._sampler = loop.core, loop.sampler
        self._schedule = loop.core.algorithm.schedule

    def skip(self, now: int, universe_us: int | None) -> bool:
        """Pass over the moments of the first stream, from now to the next thing that is due; return whether any was.

        Args:
            now: The first stream's moment.
            universe_us: When a universe selects next.
        """
        loop, sampler = self._loop, self._sampler
        end = min(self._schedule.due_us, _FAR if universe_us is None else universe_us)
        if now >= end or loop.is_waiting or not self._core.warmup_finished:
            return False
        if not (self._framework_is_idle() and nothing_settles(self._core) and self._is_solvent()):
            return False
        if sampler.due_us < end and not sampler.can_pass:
            end = sampler.due_us
        times = loop.manager.skip_first(end) if now < end else []
        if times:
            loop.pass_over(times)
        return bool(times)

    def _is_solvent(self) -> bool:
        loop = self._loop
        if not loop.is_solvent:
            # A fill has changed the account since the last look at it.
            loop.keep_value()
        return loop.is_solvent

    def _framework_is_idle(self) -> bool:
        framework = self._core.algorithm.framework
        return framework.is_idle and not framework.refreshes and not framework.insights.total_count


def nothing_settles(core: EngineCore) -> bool:
    """Whether no funds are on their way and no margin interest is charged."""
    for security in core.securities.each:
        if type(security.settlement_model) is not ImmediateSettlementModel:
            return False
        if security.margin_interest_rate_model is not None:
            return False
    return True
