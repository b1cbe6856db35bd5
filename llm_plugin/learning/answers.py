"""The two answers of a pair: the signal's action and HOLD, each with a confidence and a reason.

Both are written whole under the forced action, before anyone looks at what the trade led to: nothing in the words tells
the outcome. A confidence taken from the outcome would teach the model to print certainty after winners, which is
hindsight. The confidence that counts is never the written one but the calibrator's, fitted anew with each version.

The writer is the base, never an adapter: what is learned is the action, and the words stay where they were. Written by
each champion in its turn they drift from version to version (measured: after two flips of a market's rule 60 of 80
answers still parsed, against 79 with the base as writer).

Where the base does not write the form, both answers of the pair get the form around its words, with the probability
that the answer is right: P(net R > 0) for the signal, the rest for HOLD, or its own share without a calibrator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_plugin.domain import Action
from llm_plugin.errors import DataError
from llm_plugin.learning.types import MaturedDecision, StoredPrompt
from llm_plugin.prompts.parser import format_answer, parse_answer
from llm_plugin.reasoning.base import Completes

if TYPE_CHECKING:
    from llm_plugin.reasoning.base import ActionScores, LanguageModel
    from llm_plugin.settings import Settings

__all__ = ["AnswerPair", "AnswerWriter", "ModelAnswers", "stored_answers"]


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """Completions of one prompt, with their leading space."""

    signal: str
    hold: str


AnswerWriter = Callable[[Sequence[MaturedDecision]], list[AnswerPair]]
"""Writes both answers of each decision."""


class ModelAnswers:
    """A model writes both answers, in batches."""

    def __init__(
        self,
        model: LanguageModel,
        *,
        batch_size: int = 32,
        max_new_tokens: int = 50,
        on_progress: Callable[[float], None] = lambda fraction: None,
    ) -> None:
        """Take what is needed.

        Args:
            model: The base, without an adapter.
            batch_size: Decisions per call.
            max_new_tokens: Length of a reason.
            on_progress: Called with the fraction done.
        """
        self.version = model.version
        self._model = model
        self._batch_size = batch_size
        self._max_new_tokens = max_new_tokens
        self._on_progress = on_progress

    @classmethod
    def configured(
        cls, model: LanguageModel, settings: Settings, on_progress: Callable[[float], None] = lambda fraction: None
    ) -> ModelAnswers:
        """Take the sizes from the configuration."""
        return cls(
            model,
            batch_size=settings.reasoning.batch_size,
            max_new_tokens=settings.llm_model.max_new_tokens,
            on_progress=on_progress,
        )

    def __call__(self, rows: Sequence[MaturedDecision]) -> list[AnswerPair]:
        """Write the answers.

        Raises:
            BackendUnavailable: The model did not answer.
        """
        answers: list[AnswerPair] = []
        for start in range(0, len(rows), self._batch_size):
            answers += self._batch(rows[start : start + self._batch_size])
            self._on_progress(len(answers) / len(rows))
        return answers

    def _batch(self, rows: Sequence[MaturedDecision]) -> list[AnswerPair]:
        prompts = [_prompt(row) for row in rows]
        actions = [row.signal_action for row in rows]
        whole = self._whole(prompts, actions)
        left = [place for place, pair in enumerate(whole) if pair is None]
        formed = dict(zip(left, self._formed([prompts[i] for i in left], [actions[i] for i in left]), strict=True))
        return [pair or formed[place] for place, pair in enumerate(whole)]

    def _whole(self, prompts: Sequence[StoredPrompt], actions: Sequence[Action]) -> list[AnswerPair | None]:
        """Let the model write whole answers; None where one of the two does not parse."""
        if not isinstance(self._model, Completes):
            return [None] * len(prompts)
        forced = [*actions, *[Action.HOLD] * len(prompts)]
        texts = [f"{prompt.text} {action.value} |" for prompt, action in zip([*prompts, *prompts], forced, strict=True)]
        written = self._model.complete(texts, self._max_new_tokens)
        lines = [f" {action.value} |{text.rstrip()}" for action, text in zip(forced, written, strict=True)]
        fine = [parse_answer(line, [action]).ok for line, action in zip(lines, forced, strict=True)]
        count = len(prompts)
        return [AnswerPair(lines[i], lines[count + i]) if fine[i] and fine[count + i] else None for i in range(count)]

    def _formed(self, prompts: Sequence[StoredPrompt], actions: Sequence[Action]) -> list[AnswerPair]:
        """Put the form around the model's words."""
        if not prompts:
            return []
        scores = self._model.score(prompts, [(action, Action.HOLD) for action in actions])
        forced = [*actions, *[Action.HOLD] * len(prompts)]
        reasons = self._model.generate_reasons([*prompts, *prompts], forced, self._max_new_tokens)
        signal, hold = reasons[: len(prompts)], reasons[len(prompts) :]
        return [
            _pair(action, _confidence(score, action), taken, held)
            for action, score, taken, held in zip(actions, scores, signal, hold, strict=True)
        ]


def stored_answers(rows: Sequence[MaturedDecision]) -> list[AnswerPair]:
    """Return answers without asking a model: the confidence that was stored with the decision, and no words.

    Only one of the two answers has a stored reason, and words on one side alone would tell the sides apart.
    """
    return [_pair(row.signal_action, _stored_confidence(row), "", "") for row in rows]


def _prompt(row: MaturedDecision) -> StoredPrompt:
    if row.prompt is None:
        raise DataError(f"decision {row.decision_id} has no prompt: it makes no pair")
    return row.prompt


def _confidence(scores: ActionScores, action: Action) -> float:
    known = not math.isnan(scores.profit_probability)
    return scores.profit_probability if known else scores.probabilities[action]


def _stored_confidence(row: MaturedDecision) -> float:
    decision = row.decision
    if math.isfinite(decision.llm_confidence) and decision.llm_action is not None:
        confidence = decision.llm_confidence
        return confidence if decision.llm_action is row.signal_action else 1 - confidence
    return row.request.signal.confidence


def _pair(action: Action, confidence: float, taken: str, held: str) -> AnswerPair:
    value = min(1.0, max(0.0, confidence))
    return AnswerPair(format_answer(action, value, taken), format_answer(Action.HOLD, 1 - value, held))
