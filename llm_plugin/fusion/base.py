"""What a fusion strategy sees and says. A learned network is one more strategy: same input, same proposal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_plugin.domain import Action, DecisionRequest

if TYPE_CHECKING:
    from llm_plugin.reasoning.base import ActionScores
    from llm_plugin.session import SessionStatistics
    from llm_plugin.settings import FusionSettings

__all__ = ["Fused", "FusionInput", "Proposal", "Strategy", "break_even", "edge"]


@dataclass(frozen=True, slots=True)
class FusionInput:
    """Both sides of a decision.

    Attributes:
        request: The question, with the signal's side.
        scores: The language model's side.
        llm_action: Its choice, ties already HOLD.
        statistics: The session as of the question.
    """

    request: DecisionRequest
    scores: ActionScores
    llm_action: Action
    statistics: SessionStatistics

    @property
    def legal(self) -> tuple[Action, ...]:
        """The actions to choose from."""
        return self.request.legal


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a strategy proposes; only legal actions are looked at.

    Attributes:
        support: Action -> support in any unit; the greatest among the legal ones wins, a tie is HOLD.
        rule: Name of the rule that decided, for the record.
        settled: The choice where a rule made it without comparing support; ignored if it is illegal.
        trust_signal: 0 to 1.
        trust_llm: 0 to 1.
    """

    support: Mapping[Action, float]
    rule: str
    settled: Action | None = None
    trust_signal: float = math.nan
    trust_llm: float = math.nan


@dataclass(frozen=True, slots=True)
class Fused:
    """The outcome of fusion.

    Attributes:
        action: A legal action.
        confidence: For an entry the probability that the trade pays, for HOLD its complement, for a position question
            the share of the action's support.
        multiplier: Size multiplier of an entry: 0.5, 0.75 or 1; 0 for HOLD.
        rule: The rule that decided.
        trust_signal: Weight that the signal had.
        trust_llm: Weight that the language model had.
        masked: Illegal actions that the strategy proposed above the chosen one.
    """

    action: Action
    confidence: float
    multiplier: float
    rule: str
    trust_signal: float
    trust_llm: float
    masked: tuple[Action, ...] = ()


Strategy = Callable[[FusionInput, "FusionSettings"], Proposal]


def break_even(request: DecisionRequest) -> float:
    """Return the win rate at which stop and target cancel out, spread included; 0.5 where the plan has no target.

    A long trade enters at the ask. Stop 2 away and target 3 away need 40 % winners.
    """
    plan, side = request.exit, request.signal.action.side
    if plan is None or plan.target is None or side == 0:
        return 0.5
    price = request.market.ask if side > 0 else request.market.bid
    risk, reward = (price - plan.stop) * side, (plan.target - price) * side
    if not (risk > 0 and reward > 0):
        return 0.5
    return min(0.95, max(0.05, risk / (risk + reward)))


def edge(probability: float, neutral: float) -> float:
    """Move a probability so that `neutral` becomes 0.5, by log-odds.

    >>> round(edge(0.4, 0.4), 3), round(edge(0.75, 0.77), 3), edge(0.6, 0.5)
    (0.5, 0.473, 0.6)
    """
    if neutral == 0.5:
        return probability
    inside = min(1 - 1e-9, max(1e-9, probability))
    odds = math.log(inside / (1 - inside)) - math.log(neutral / (1 - neutral))
    return 1 / (1 + math.exp(-odds))
