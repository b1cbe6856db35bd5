"""What a backend may answer."""

from __future__ import annotations

from llm_plugin.domain import Decision, DecisionRequest, QuestionKind

__all__ = ["MULTIPLIERS", "illegal_answer"]

MULTIPLIERS = (0.5, 0.75, 1.0)


def illegal_answer(request: DecisionRequest, decision: Decision) -> str:
    """Return what is wrong with an answer, an empty text where nothing is."""
    if decision.decision_id != request.decision_id:
        return f"decision id {decision.decision_id!r} answers another question"
    if decision.action not in request.legal:
        return f"action {decision.action.value} is not legal ({', '.join(request.legal)})"
    if request.kind is QuestionKind.POSITION:
        return ""
    if decision.approved != (decision.action is request.signal.action):
        return f"verdict {decision.verdict.value} does not fit action {decision.action.value}"
    if decision.approved and decision.size_multiplier not in MULTIPLIERS:
        return f"size multiplier {decision.size_multiplier!r} is none of {MULTIPLIERS}"
    return ""
