"""The judge of strategies: five gates, computed by a trusted process from what a sandboxed candidate asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_plugin.strategies.judge.pool import JudgePool
    from llm_plugin.strategies.judge.verdict import Candidate, GateResult, JudgeLimits, Verdict

__all__ = ["Candidate", "GateResult", "JudgeLimits", "JudgePool", "Verdict"]


def __getattr__(name: str) -> Any:
    # The nursery imports modules of this package: it must not load the pool's.
    if name == "JudgePool":
        from llm_plugin.strategies.judge.pool import JudgePool

        return JudgePool
    if name in __all__:
        from llm_plugin.strategies.judge import verdict

        return getattr(verdict, name)
    raise AttributeError(name)
