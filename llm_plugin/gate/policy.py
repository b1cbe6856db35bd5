"""What a model version would have done with matured decisions: their stored prompts, the validator's own fusion."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from llm_plugin.domain import DecisionRequest, QuestionKind, Source
from llm_plugin.errors import BackendUnavailable, DataError
from llm_plugin.fusion import FusionInput, fuse
from llm_plugin.learning.types import MaturedDecision, PolicyAnswer, StoredPrompt
from llm_plugin.session import SessionStatistics
from llm_plugin.validator.answers import checked_scores, choice, fused_decision

if TYPE_CHECKING:
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.reasoning.base import ActionScores, LanguageModel
    from llm_plugin.settings import Settings

__all__ = ["Statistics", "answer_policy", "policy_answer", "session_statistics"]

Statistics = Callable[[DecisionRequest], SessionStatistics]
"""The session as it stood at a question; only strategies of one's own look at it, the built-in ones do not."""


def answer_policy(
    model: LanguageModel,
    decisions: Iterable[MaturedDecision],
    settings: Settings,
    *,
    version: str | None = None,
    statistics: Statistics | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[PolicyAnswer]:
    """Let a model answer stored questions as the validator would have with it.

    Questions without a prompt (risk vetoes, warming up, arms without a model) are passed over: no model decides them.

    Args:
        model: Who answers.
        decisions: The questions, in any order.
        settings: Fusion, sizing and tie band are taken from here.
        version: What the answers call their author; None = `model.version`.
        statistics: The session at each question; None = an empty one. `session_statistics` makes it from a store.
        on_progress: Called with answered and total after every batch.

    Returns:
        One answer per question that has a prompt, in the order given.

    Raises:
        BackendUnavailable: The model failed or gave rubbish; nothing is guessed in its place.
        DataError: A question is asked twice.
    """
    asked = [(decision, decision.prompt) for decision in decisions if decision.prompt is not None]
    ids = [decision.decision_id for decision, _ in asked]
    if len(set(ids)) != len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise DataError(f"decision {twice} is asked twice; give each decision once")
    name = version if version is not None else model.version
    size, answers = settings.reasoning.batch_size, list[PolicyAnswer]()
    if asked:  # the first question pays for the shared prefix and for cold caches: nobody's time
        _score(model, asked[:1])
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        begun = time.perf_counter()
        scored = _score(model, part)
        seconds = (time.perf_counter() - begun) / len(part)
        for (decision, _), scores in zip(part, scored, strict=True):
            known = statistics(decision.request) if statistics is not None else None
            answers.append(policy_answer(decision.request, scores, settings, name, known, seconds))
        if on_progress is not None:
            on_progress(len(answers), len(asked))
    return answers


def policy_answer(
    request: DecisionRequest,
    scores: ActionScores,
    settings: Settings,
    version: str,
    statistics: SessionStatistics | None = None,
    seconds: float = 0.0,
) -> PolicyAnswer:
    """Turn one model's scores into what the validator would have decided with them.

    Raises:
        BackendUnavailable: The scores are no answer to this question.
    """
    checked = checked_scores([scores], request.legal)
    known = statistics if statistics is not None else SessionStatistics(as_of_utc=request.market.time_utc)
    llm_action = choice(checked, settings.reasoning.tie_tolerance)
    fused = fuse(FusionInput(request, checked, llm_action, known), settings)
    decision = fused_decision(request, checked, llm_action, fused, Source.LLM)
    return PolicyAnswer(
        decision_id=request.decision_id,
        version=version,
        action=decision.action,
        size=decision.size_multiplier,
        margin=checked.margin,
        action_mass=checked.action_mass,
        profit_probability=checked.profit_probability,
        seconds=seconds,
    )


def session_statistics(stores: OutcomeStore | Sequence[OutcomeStore], settings: Settings) -> Statistics:
    """Return the session of each question's own run as of that question, rebuilt from outcome stores.

    Nothing that closed at or after a question is in its figures. Each run is read once, when it is first asked about.
    """
    from llm_plugin.validator.build import make_tracker

    opened = list(stores) if isinstance(stores, Sequence) else [stores]
    trackers = {}

    def at(request: DecisionRequest) -> SessionStatistics:
        if request.run_id not in trackers:
            tracker = make_tracker(settings)
            for store in opened:
                questions = {row.request.decision_id: row.request for row in store.decisions(request.run_id)}
                for question in questions.values():
                    tracker.observe(question)
                for outcome in store.outcomes(request.run_id):
                    asked = questions.get(outcome.decision_id)
                    if asked is not None and asked.kind is QuestionKind.ENTRY:
                        tracker.record(outcome, asked)
            trackers[request.run_id] = tracker
        return trackers[request.run_id].statistics(request.market.time_utc)

    return at


def _score(model: LanguageModel, part: Sequence[tuple[MaturedDecision, StoredPrompt]]) -> list[ActionScores]:
    scored = model.score([prompt for _, prompt in part], [decision.request.legal for decision, _ in part])
    if len(scored) != len(part):
        raise BackendUnavailable(f"{model.version} gave {len(scored)} answers to {len(part)} questions")
    return scored
