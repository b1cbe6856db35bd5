"""Mode `every_n`: between two questions about a symbol the last answer is used again, less certain with every bar."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from llm_plugin.domain import Action, DecisionRequest, QuestionKind
from llm_plugin.reasoning.base import ActionScores
from llm_plugin.risk import bar_length

__all__ = ["AnswerReuse", "decayed"]


@dataclass(frozen=True, slots=True)
class _Answer:
    asked_utc: datetime
    scores: ActionScores


class AnswerReuse:
    """Keeps the last answer per symbol, kind, signal and legal set; never across symbols."""

    def __init__(self, interval: int, decay_rate: float) -> None:
        """Take `fusion.query_interval` and `fusion.cache_decay_rate`."""
        self.interval = interval
        self.decay_rate = decay_rate
        self._answers: dict[tuple[str, QuestionKind, Action, tuple[Action, ...]], _Answer] = {}

    def find(self, request: DecisionRequest, model_version: str) -> ActionScores | None:
        """Return the decayed last answer, None where the model has to be asked."""
        answer = self._answers.get(_key(request))
        if answer is None or answer.scores.model_version != model_version:
            return None
        age = bars_between(answer.asked_utc, request.market.time_utc, request.market.resolution)
        if not 0 <= age < self.interval:
            return None
        return decayed(answer.scores, self.decay_rate**age)

    def keep(self, request: DecisionRequest, scores: ActionScores) -> None:
        """Remember a fresh answer."""
        self._answers[_key(request)] = _Answer(request.market.time_utc, scores)


def bars_between(earlier: datetime, later: datetime, resolution: str) -> int:
    """Return the whole bars between two times; ticks count as seconds."""
    length = bar_length(resolution).total_seconds() or 1.0
    return math.floor((later - earlier).total_seconds() / length)


def decayed(scores: ActionScores, factor: float) -> ActionScores:
    """Shrink an answer's log-odds towards an even spread; the order of the actions stays.

    Args:
        scores: The answer as it was.
        factor: 1 leaves it, 0 makes all legal actions equal, and a tie is HOLD.
    """
    if factor == 1.0:
        return scores
    mean = math.fsum(scores.log_probabilities.values()) / len(scores.log_probabilities)
    logs = {action: mean + factor * (value - mean) for action, value in scores.log_probabilities.items()}
    top = max(logs.values())
    weights = {action: math.exp(value - top) for action, value in logs.items()}
    total = math.fsum(weights.values())
    norm = top + math.log(total)
    pays = scores.profit_probability
    return replace(
        scores,
        log_probabilities={action: value - norm for action, value in logs.items()},
        probabilities={action: weight / total for action, weight in weights.items()},
        profit_probability=0.5 + (pays - 0.5) * factor if math.isfinite(pays) else pays,
    )


def _key(request: DecisionRequest) -> tuple[str, QuestionKind, Action, tuple[Action, ...]]:
    return request.market.symbol_id, request.kind, request.signal.action, request.legal
