"""From matured decisions and both generations' answers to a verdict; acting on it is the caller's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from llm_plugin.domain import Source
from llm_plugin.errors import DataError
from llm_plugin.learning.types import MaturedDecision, PolicyAnswer
from llm_plugin.watch.watch import Watch, WatchVerdict

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["live_answers", "run_watch"]


def run_watch(
    watch: Watch,
    decisions: Iterable[MaturedDecision],
    champion: Sequence[PolicyAnswer],
    previous: Sequence[PolicyAnswer],
    *,
    as_of_utc: datetime,
) -> WatchVerdict:
    """Feed a watch with what has matured since it last looked; what it knows already changes nothing.

    Args:
        watch: The watch, new or restored.
        decisions: Matured decisions since the swap, in any order; those without a replayed outcome or without both
            answers are passed over, as are bars that the algorithm had no signal on.
        champion: The new generation's answers: stored ones, or `live_answers`.
        previous: The previous generation's shadow answers.
        as_of_utc: Nothing that matures later counts.

    Raises:
        DataError: Answers of other versions than those watched.
    """
    ours, theirs = _sizes(champion, watch.champion), _sizes(previous, watch.previous)
    verdict = watch.verdict
    for decision in sorted(decisions, key=lambda item: (item.time_utc, item.decision_id)):
        known = decision.decision_id in ours and decision.decision_id in theirs
        if not known or decision.origin != "signal" or decision.matured_utc > as_of_utc:
            continue
        if decision.net_r is None or not math.isfinite(decision.net_r):
            continue
        verdict = watch.update(
            decision.decision_id,
            decision.time_utc,
            decision.net_r,
            ours[decision.decision_id],
            theirs[decision.decision_id],
        )
        if verdict.ended:
            break
    return verdict


def live_answers(
    decisions: Iterable[MaturedDecision], version: str, model_version: str | None = None
) -> list[PolicyAnswer]:
    """Return what a version itself decided in service, as policy answers.

    Decisions of other versions, and those that no model made (risk rules, failures, reused answers), are left out.

    Args:
        decisions: What was decided.
        version: What the answers call their author.
        model_version: What decisions call it; None = the same.
    """
    wanted = model_version if model_version is not None else version
    return [
        PolicyAnswer(
            decision_id=row.decision_id,
            version=version,
            action=row.decision.action,
            size=row.decision.size_multiplier if row.decision.approved else 0.0,
            margin=math.nan,
            action_mass=row.decision.action_mass,
            profit_probability=math.nan,
            seconds=row.decision.latency_seconds,
        )
        for row in decisions
        if row.decision.model_version == wanted and row.decision.source in (Source.LLM, Source.CACHE)
    ]


def _sizes(answers: Sequence[PolicyAnswer], version: str) -> Mapping[str, float]:
    for answer in answers:
        if answer.version != version:
            raise DataError(
                f"decision {answer.decision_id} was answered by {answer.version}; the watch compares {version}"
            )
    return {answer.decision_id: answer.size for answer in answers}
