"""The ablation arms: validators that ask no language model, on the same questions and inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from llm_plugin.domain import Decision, DecisionRequest, QuestionKind, Source
from llm_plugin.validator.answers import signal_decision

if TYPE_CHECKING:
    from llm_plugin.memory.records import MemoryHit
    from llm_plugin.session import SessionStatistics

__all__ = ["Arm", "MetaLabel", "follow", "random_veto", "tabular", "unit_draw"]


class MetaLabel(Protocol):
    """A tabular model on the inputs of the prompt: what a quant would use instead of a language model."""

    @property
    def version(self) -> str:
        """Name and content hash."""

    def probability(
        self, request: DecisionRequest, statistics: SessionStatistics | None = None, hits: Sequence[MemoryHit] = ()
    ) -> float:
        """Return P(net R > 0) if the signal is taken."""

    def approve(
        self, request: DecisionRequest, statistics: SessionStatistics | None = None, hits: Sequence[MemoryHit] = ()
    ) -> bool:
        """Whether the signal should be taken."""


Arm = Callable[[DecisionRequest, "SessionStatistics | None", Sequence["MemoryHit"]], Decision]
"""Decides one question without a language model."""


def follow(rule: str) -> Arm:
    """Every signal is taken; `rule` names the arm on record."""

    def decide_(request: DecisionRequest, _: Any, __: Any) -> Decision:
        return signal_decision(request, True, Source.RULE, fusion_rule=rule)

    return decide_


def unit_draw(seed: int, decision_id: str) -> float:
    """Return a number in [0, 1) that depends on nothing but its arguments, whatever order questions come in."""
    digest = hashlib.sha256(f"{seed}|{decision_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def random_veto(rate: float, seed: int) -> Arm:
    """Entries are vetoed at random at a given rate."""

    def decide_(request: DecisionRequest, _: Any, __: Any) -> Decision:
        take = request.kind is QuestionKind.POSITION or unit_draw(seed, request.decision_id) >= rate
        return signal_decision(request, take, Source.RULE, fusion_rule="random_veto")

    return decide_


def tabular(model: MetaLabel) -> Arm:
    """The meta-label decides entries."""

    def decide_(request: DecisionRequest, statistics: SessionStatistics | None, hits: Sequence[MemoryHit]) -> Decision:
        if request.kind is QuestionKind.POSITION:
            return signal_decision(request, True, Source.RULE, fusion_rule="tabular")
        take = model.approve(request, statistics, hits)
        pays = model.probability(request, statistics, hits)
        if not 0 <= pays <= 1:
            raise ValueError(f"the meta-label's probability is {pays}; it must lie from 0 to 1")
        confidence = pays if take else 1 - pays
        version = model.version
        return signal_decision(
            request, take, Source.RULE, fusion_rule="tabular", confidence=confidence, model_version=version
        )

    return decide_
