"""The arms of a comparison: one algorithm, the same data, another validator."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ABLATION", "LLM", "NONE", "Arm", "arms_for", "random_veto"]


@dataclass(frozen=True, slots=True)
class Arm:
    """A named set of configuration overrides (`key=value`, as `--set` takes them)."""

    name: str
    title: str
    overrides: tuple[str, ...]
    needs: str = ""  # the arm whose result this one's overrides are made from


NONE = Arm("none", "no validator", ("validator.arm=none",))
LLM = Arm("llm", "LLM + memory + session", ())
RISK = Arm("risk", "risk vetoes only", ("validator.arm=risk",))
TABULAR = Arm("tabular", "tabular meta-label", ("validator.arm=tabular",))
RANDOM = Arm("random", "random veto, equal rate", ("validator.arm=random",), needs="llm")
LLM_ONLY = Arm("llm_only", "+ LLM", ("memory.backend=none", "session.enabled=false", "reasoning.reasons=never"))
LLM_MEMORY = Arm("llm_memory", "+ LLM + memory", ("session.enabled=false", "reasoning.reasons=never"))

ABLATION = (NONE, RISK, RANDOM, TABULAR, LLM_ONLY, LLM_MEMORY, LLM)


def arms_for(ablation: bool) -> tuple[Arm, ...]:
    """Return the arms in the order in which they should start: the LLM's own first, what depends on it last."""
    if not ablation:
        return (LLM, NONE)
    return (LLM, NONE, LLM_MEMORY, LLM_ONLY, RANDOM, TABULAR, RISK)


def random_veto(rate_fraction: float) -> tuple[str, ...]:
    """Return the overrides that give the random arm the veto rate of the LLM's arm."""
    return (*RANDOM.overrides, f"validator.random_veto_rate={rate_fraction:.6f}")
