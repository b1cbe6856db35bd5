"""Fixed questions that a new generation must answer sanely before it serves. Standard library only.

Whoever trains a generation may record what it answered (`record_states`, kept in the manifest under
`training["canary"]`): the loaded generation must then give the same log-probabilities.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_plugin.domain import Action
from llm_plugin.errors import LeanLlmError, ModelError
from llm_plugin.reasoning.base import TIE_LOG_PROBABILITY, ActionScores, LanguageModel, PromptText

__all__ = [
    "CanaryLimits",
    "CanaryReport",
    "CanaryState",
    "check_generation",
    "record_states",
    "states_from_json",
    "states_of",
]

FLOOR = math.log(1e-4)  # below it a log-probability is noise: its action is never chosen


@dataclass(frozen=True, slots=True)
class CanaryState:
    """One question, and what it was answered in training where that is known; a `reasoning.base.PromptText`."""

    prefix: str
    suffix: str
    legal: tuple[Action, ...]
    expected: Mapping[Action, float] | None = None

    @property
    def hash(self) -> str:
        """Content hash of prefix and suffix."""
        return hashlib.sha256((self.prefix + self.suffix).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CanaryLimits:
    """When a generation is refused.

    Attributes:
        min_action_mass: Least mean probability that the next words are a legal action. Lower than the gate's: a few
            states show a wreck, the gate's holdout shows quality.
        max_log_probability_gap: Largest difference to a recorded log-probability; other hardware or another server
            rounds otherwise.
    """

    min_action_mass: float = 0.5
    max_log_probability_gap: float = 0.02


@dataclass(frozen=True, slots=True)
class CanaryReport:
    """What the canary saw.

    Attributes:
        version: Who answered.
        states: How many questions.
        compared: How many of them had a recorded answer.
        action_mass: Mean over the states; NaN without states.
        log_probability_gap: Largest difference to a recorded answer; NaN where none was recorded.
        seconds: Duration.
    """

    version: str
    states: int
    compared: int
    action_mass: float
    log_probability_gap: float
    seconds: float
    unchecked: Sequence[str] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types; what is not known is null."""
        return {
            "version": self.version,
            "states": self.states,
            "compared": self.compared,
            "action_mass": _plain(self.action_mass),
            "log_probability_gap": _plain(self.log_probability_gap),
            "seconds": round(self.seconds, 6),
            "unchecked": list(self.unchecked),
        }


def states_of(prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> list[CanaryState]:
    """Return states without recorded answers."""
    return [
        CanaryState(prompt.prefix, prompt.suffix, tuple(actions))
        for prompt, actions in zip(prompts, legal, strict=True)
    ]


def record_states(
    model: LanguageModel, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]
) -> list[dict[str, Any]]:
    """Ask a freshly trained generation and return rows for the manifest's `training["canary"]`."""
    scores = model.score(prompts, legal)
    return [
        {
            "prefix": prompt.prefix,
            "suffix": prompt.suffix,
            "legal": [action.value for action in score.legal],
            "log_probabilities": {action.value: value for action, value in score.log_probabilities.items()},
        }
        for prompt, score in zip(prompts, scores, strict=True)
    ]


def states_from_json(rows: Iterable[Mapping[str, Any]]) -> list[CanaryState]:
    """Rebuild from `record_states`.

    Raises:
        ModelError: A row is damaged.
    """
    states = []
    for number, row in enumerate(rows):
        try:
            legal = tuple(Action(name) for name in row["legal"])
            expected = {Action(name): float(value) for name, value in row["log_probabilities"].items()}
            states.append(CanaryState(str(row["prefix"]), str(row["suffix"]), legal, expected))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"canary row {number} of the manifest is damaged ({error}); train again") from error
        if set(expected) != set(legal):
            raise ModelError(f"canary row {number} of the manifest scores other actions than it offers; train again")
    return states


def check_generation(
    model: LanguageModel, states: Sequence[CanaryState], limits: CanaryLimits, *, check_mass: bool = True
) -> CanaryReport:
    """Ask a generation the fixed questions.

    Args:
        model: The generation, before it serves.
        states: The questions; none at all is reported as unchecked, not as fine.
        limits: When it is refused.
        check_mass: False for a base without adapter, which was not trained to answer in this form.

    Raises:
        ModelError: It does not answer, or not as it must; says what, with both figures.
    """
    start = time.perf_counter()
    try:
        scores = model.score(states, [state.legal for state in states]) if states else []
    except (LeanLlmError, ValueError) as error:
        raise ModelError(f"{model.version} failed its canary: {error}; it does not serve") from error
    _check_answers(model.version, states, scores)
    mass = sum(score.action_mass for score in scores) / len(scores) if scores else math.nan
    if check_mass and mass < limits.min_action_mass:
        raise ModelError(
            f"{model.version} failed its canary: action mass {mass:.3f} over {len(scores)} states, "
            f"at least {limits.min_action_mass} is needed; its answers are no longer actions"
        )
    pairs = [(state, score) for state, score in zip(states, scores, strict=True) if state.expected is not None]
    gap = max((_gap(model.version, state, score, limits) for state, score in pairs), default=math.nan)
    unchecked = [
        name
        for name, known in (("answers", bool(scores)), ("action mass", check_mass), ("recorded scores", bool(pairs)))
        if not known
    ]
    seconds = time.perf_counter() - start
    return CanaryReport(model.version, len(scores), len(pairs), mass, gap, seconds, tuple(unchecked))


def _check_answers(version: str, states: Sequence[CanaryState], scores: Sequence[ActionScores]) -> None:
    if len(scores) != len(states):
        raise ModelError(f"{version} failed its canary: {len(scores)} answers to {len(states)} states")
    for number, score in enumerate(scores):
        if not all(math.isfinite(value) for value in score.log_probabilities.values()):
            raise ModelError(f"{version} failed its canary: state {number} has scores {dict(score.log_probabilities)}")
        if score.model_version != version:
            raise ModelError(f"{version} failed its canary: state {number} was answered by {score.model_version}")


def _gap(version: str, state: CanaryState, score: ActionScores, limits: CanaryLimits) -> float:
    expected = state.expected or {}
    gap = max(
        abs(max(score.log_probabilities[action], FLOOR) - max(value, FLOOR)) for action, value in expected.items()
    )
    if gap > max(limits.max_log_probability_gap, TIE_LOG_PROBABILITY):
        raise ModelError(
            f"{version} failed its canary: log-probabilities differ by {gap:.4f} from those recorded in training "
            f"(at most {limits.max_log_probability_gap}); base, tokenizer or adapter is not the trained one"
        )
    return gap


def _plain(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
