"""What a language model is to the validator: it scores legal actions, and says why afterwards.

No text is parsed on the decision's path: the model's log-probabilities of the legal actions are the answer, so an
illegal or unreadable one cannot occur. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from llm_plugin.domain import Action

if TYPE_CHECKING:
    from llm_plugin.reasoning.calibrator import Calibrator

__all__ = [
    "TIE_LOG_PROBABILITY",
    "ActionScores",
    "Completes",
    "LanguageModel",
    "PromptText",
    "choose_action",
    "make_scores",
]

TIE_LOG_PROBABILITY = 1e-4


class PromptText(Protocol):
    """A rendered prompt: `prefix` is shared by a run's questions, `hash` identifies the whole text."""

    @property
    def prefix(self) -> str:
        """The part that all questions of a run share."""

    @property
    def suffix(self) -> str:
        """The part of this question; it ends where the answer begins."""

    @property
    def hash(self) -> str:
        """Content hash of prefix and suffix."""


@dataclass(frozen=True, slots=True)
class ActionScores:
    """One scored question.

    Attributes:
        legal: The actions that were scored.
        log_probabilities: The model's log-probability of each legal action, not renormalised.
        probabilities: The same, renormalised over the legal actions. A model trained by this package learns
            expectation, not frequency: a signal's probability above one half says that its expected net R is positive.
        action_mass: Probability that the model's next words are a legal action at all; a health figure.
        action: The choice: the most probable action, HOLD where the best two are tied.
        profit_probability: Calibrated probability that the signal's replayed net R is above zero; NaN where the model
            has no calibrator or the question offers no entry. A trade that wins seldom and much can be right at 0.4.
        model_version: Which model answered.
        cached: True if the answer came from the cache.
    """

    legal: tuple[Action, ...]
    log_probabilities: Mapping[Action, float]
    probabilities: Mapping[Action, float]
    action_mass: float
    action: Action
    profit_probability: float = math.nan
    model_version: str = ""
    cached: bool = False

    @property
    def confidence(self) -> float:
        """Confidence in `action`: calibrated where possible, else its share among the legal actions."""
        if math.isnan(self.profit_probability):
            return self.probabilities[self.action]
        return self.profit_probability if self.action.side else 1.0 - self.profit_probability

    @property
    def margin(self) -> float:
        """Log-odds of the best entry over HOLD; NaN where either is not legal."""
        return entry_margin(self.log_probabilities)


@runtime_checkable
class Completes(Protocol):
    """A model that continues text freely."""

    def complete(self, texts: Sequence[str], max_new_tokens: int = 50) -> list[str]:
        """Continue each text up to the first line break."""


@runtime_checkable
class LanguageModel(Protocol):
    """A back end that scores actions. Implementations are deterministic for the same input."""

    @property
    def version(self) -> str:
        """Name and content hash of what answers; changes whenever an answer could."""

    @property
    def calibrator(self) -> Calibrator | None:
        """Turns scores into the probability of a profit; None where none was fitted."""

    def score(self, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> list[ActionScores]:
        """Score each prompt's legal actions.

        Raises:
            BackendUnavailable: The model did not answer; nothing is guessed in its place.
        """

    def generate_reasons(
        self, prompts: Sequence[PromptText], actions: Sequence[Action], max_new_tokens: int = 50
    ) -> list[str]:
        """Return the model's own reason for each action, written after it was chosen."""

    def generate_reason(self, prompt: PromptText, action: Action, max_new_tokens: int = 50) -> str:
        """Return one reason."""


def choose_action(log_probabilities: Mapping[Action, float]) -> Action:
    """Return the most probable action; HOLD if the best is not ahead of the second by more than the tie band.

    >>> choose_action({Action.BUY: -0.5, Action.HOLD: -0.9})
    <Action.BUY: 'BUY'>
    >>> choose_action({Action.BUY: -0.69310, Action.HOLD: -0.69315})
    <Action.HOLD: 'HOLD'>
    """
    ranked = sorted(log_probabilities.items(), key=lambda item: (-item[1], item[0].value))
    if any(math.isnan(score) for _, score in ranked):
        raise ValueError(f"a log-probability is NaN: {dict(log_probabilities)}")
    if len(ranked) > 1 and ranked[0][1] - ranked[1][1] <= TIE_LOG_PROBABILITY:
        return Action.HOLD
    return ranked[0][0]


def entry_margin(log_probabilities: Mapping[Action, float]) -> float:
    """Return log p(best entry) - log p(HOLD), NaN where the question has no entry or no HOLD."""
    entries = [score for action, score in log_probabilities.items() if action.side]
    if not entries or Action.HOLD not in log_probabilities:
        return math.nan
    return max(entries) - log_probabilities[Action.HOLD]


def make_scores(
    log_probabilities: Mapping[Action, float],
    version: str,
    calibrator: Calibrator | None = None,
    *,
    calibrate: bool = True,
) -> ActionScores:
    """Build the scores of one question from raw log-probabilities.

    Args:
        log_probabilities: Log-probability per legal action; HOLD must be among them.
        version: The answering model's version.
        calibrator: Maps the entry margin to the probability of a profit.
        calibrate: False for a question about an open position, where SELL means close.

    Raises:
        ValueError: HOLD is missing, or a score is NaN.
    """
    if Action.HOLD not in log_probabilities:
        raise ValueError(f"HOLD must be legal; got {[action.value for action in log_probabilities]}")
    action = choose_action(log_probabilities)
    top = max(log_probabilities.values())
    weights = {name: math.exp(score - top) for name, score in log_probabilities.items()}
    total = sum(weights.values())
    margin = entry_margin(log_probabilities)
    profit = math.nan
    if calibrator is not None and calibrate and not math.isnan(margin):
        profit = calibrator.probability(margin)
    return ActionScores(
        legal=tuple(log_probabilities),
        log_probabilities=dict(log_probabilities),
        probabilities={name: weight / total for name, weight in weights.items()},
        action_mass=min(1.0, sum(math.exp(score) for score in log_probabilities.values())),
        action=action,
        profit_probability=profit,
        model_version=version,
    )
