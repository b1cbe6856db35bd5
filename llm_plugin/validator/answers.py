"""Checks of a model's answer, and the decisions that need none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from llm_plugin.domain import Action, Decision, DecisionRequest, QuestionKind, Source, Verdict
from llm_plugin.errors import BackendUnavailable, DataError
from llm_plugin.reasoning.base import ActionScores

if TYPE_CHECKING:
    from llm_plugin.fusion import Fused

__all__ = ["checked_scores", "choice", "decide", "fused_decision", "is_exit", "problem_of", "signal_decision"]


def problem_of(request: DecisionRequest) -> str:
    """Return what makes a question impossible to answer, empty if nothing does."""
    signal, market = request.signal, request.market
    if Action.HOLD not in request.legal:
        return f"legal actions {[action.value for action in request.legal]} lack HOLD"
    if request.kind is QuestionKind.ENTRY and signal.action not in request.legal:
        return f"signal {signal.action.value} is not among the legal actions"
    if not 0 <= signal.confidence <= 1:
        return f"signal confidence {signal.confidence} must lie from 0 to 1"
    if not (math.isfinite(market.price) and market.price > 0):
        return f"price {market.price} must be above 0"
    if market.time_utc.tzinfo is None:
        return f"time {market.time_utc} has no time zone"
    return ""


def checked_scores(scores: Any, legal: tuple[Action, ...]) -> ActionScores:
    """Return the one answer of a back end.

    Raises:
        BackendUnavailable: It is rubbish: not one answer, other actions than asked, or numbers that are none.
    """
    if not isinstance(scores, list) or len(scores) != 1:
        raise BackendUnavailable(f"the language model gave {_shape(scores)} for one question")
    answer = scores[0]
    if not isinstance(answer, ActionScores):
        raise BackendUnavailable(f"the language model gave {type(answer).__name__}, not scores")
    if set(answer.log_probabilities) != set(legal) or set(answer.probabilities) != set(legal):
        got = sorted(str(action) for action in answer.log_probabilities)
        raise BackendUnavailable(f"the language model scored {got}, asked for {sorted(legal)}")
    for action in legal:
        log, share = answer.log_probabilities[action], answer.probabilities[action]
        if not math.isfinite(log) or log > 1e-6 or not 0 <= share <= 1:
            raise BackendUnavailable(f"the language model gave {action.value} log-probability {log}, share {share}")
    if abs(math.fsum(answer.probabilities.values()) - 1) > 1e-3:
        raise BackendUnavailable(f"the language model's shares sum to {math.fsum(answer.probabilities.values()):.4f}")
    pays = answer.profit_probability
    if not (math.isnan(pays) or 0 <= pays <= 1):
        raise BackendUnavailable(f"the calibrated probability is {pays}; it must lie from 0 to 1")
    return answer


def _shape(scores: Any) -> str:
    return f"{len(scores)} answers" if isinstance(scores, list) else f"a {type(scores).__name__}"


def choice(scores: ActionScores, tie_tolerance: float) -> Action:
    """Return the most probable legal action; scores within the tolerance are a tie, and a tie is HOLD."""
    ranked = sorted(scores.log_probabilities.items(), key=lambda item: (-item[1], item[0].value))
    if len(ranked) > 1 and ranked[0][1] - ranked[1][1] <= tie_tolerance:
        return Action.HOLD
    return ranked[0][0]


def is_exit(request: DecisionRequest) -> bool:
    """True where the signal asks to reduce the open position: such a wish is never blocked."""
    action = request.signal.action
    return (
        request.kind is QuestionKind.POSITION
        and action.side != 0
        and action.side == -request.position.side
        and action in request.legal
    )


def decide(request: DecisionRequest, action: Action, source: Source, **fields: Any) -> Decision:
    """Build a decision: an entry that is not taken is a veto, one at a reduced size an adjustment.

    Args:
        request: The question.
        action: A legal action.
        source: Who decided.
        fields: Further fields of `Decision`; `size_multiplier` is 1 where none is given.

    Raises:
        DataError: The action is not legal.
    """
    if action not in request.legal:
        raise DataError(f"decision {request.decision_id}: {action.value} is not among {sorted(request.legal)}")
    multiplier = float(fields.pop("size_multiplier", 1.0))
    verdict = Verdict.APPROVE
    if request.kind is QuestionKind.ENTRY:
        if not action.side:
            verdict, multiplier = Verdict.VETO, 0.0
        elif multiplier < 1:
            verdict = Verdict.ADJUST
    return Decision(
        decision_id=request.decision_id,
        run_id=request.run_id,
        kind=request.kind,
        symbol_id=request.market.symbol_id,
        time_utc=request.market.time_utc,
        verdict=verdict,
        action=action,
        size_multiplier=multiplier,
        source=source,
        signal_action=request.signal.action,
        signal_confidence=request.signal.confidence,
        lot_size=request.market.lot_size,
        **{"confidence": 0.0, **fields},
    )


def signal_decision(request: DecisionRequest, take: bool, source: Source, **fields: Any) -> Decision:
    """Follow the signal or not; on an open position a legal wish of the signal is always followed."""
    wanted = request.signal.action if request.signal.action in request.legal else Action.HOLD
    action = wanted if take or request.kind is QuestionKind.POSITION else Action.HOLD
    confidence = request.signal.confidence if action is not Action.HOLD else 0.0
    return decide(request, action, source, **{"confidence": confidence, **fields})


def fused_decision(
    request: DecisionRequest, scores: ActionScores, llm_action: Action, fused: Fused, source: Source, **fields: Any
) -> Decision:
    """Build the decision of a fused answer, with both sides on record."""
    return decide(
        request,
        fused.action,
        source,
        size_multiplier=fused.multiplier if fused.action.side else 1.0,
        confidence=fused.confidence,
        trust_signal=fused.trust_signal,
        trust_llm=fused.trust_llm,
        fusion_rule=fused.rule,
        model_version=scores.model_version,
        llm_action=llm_action,
        llm_confidence=_llm_confidence(request, scores, llm_action),
        action_mass=scores.action_mass,
        action_probabilities={action.value: share for action, share in scores.probabilities.items()},
        **fields,
    )


def _llm_confidence(request: DecisionRequest, scores: ActionScores, action: Action) -> float:
    """P(pays) for the entry and its complement for HOLD where calibrated; else the model's share."""
    pays = scores.profit_probability
    if request.kind is QuestionKind.ENTRY and math.isfinite(pays):
        return 1 - pays if action is Action.HOLD else pays
    return scores.probabilities[action]
