"""Matured decisions for tests, one an hour, with the result that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from questions import FEATURES, START, question, result

from llm_plugin.domain import Action, Decision, ExitPlan, OutcomeKind, QuestionKind, Source, Verdict
from llm_plugin.learning.types import MaturedDecision, Origin, StoredPrompt

PREFIX = "Judge the signal.\n"


def answer(request: Any, *, approve: bool = True, prompt_hash: str = "", **fields: Any) -> Decision:
    """Return the stored decision of a question."""
    action = request.signal.action
    values = {"confidence": 0.6, "source": Source.LLM, "llm_action": action, "llm_confidence": 0.6, **fields}
    return Decision(
        decision_id=request.decision_id,
        run_id=request.run_id,
        kind=QuestionKind.ENTRY,
        symbol_id=request.market.symbol_id,
        time_utc=request.market.time_utc,
        verdict=Verdict.APPROVE if approve else Verdict.VETO,
        action=action if approve else Action.HOLD,
        size_multiplier=1.0 if approve else 0.0,
        signal_action=action,
        signal_confidence=request.signal.confidence,
        prompt_hash=prompt_hash,
        **values,
    )


def matured(
    hours: float,
    net_r: float | None,
    *,
    action: Action = Action.BUY,
    realised_r: float | None = None,
    longest_hours: float = 24,
    held_hours: float = 6,
    adx: float = 32.0,
    volatility: float = 1.0,
    origin: Origin = "signal",
    prompted: bool = True,
    template_version: str = "1",
    run_id: str = "run",
    **fields: Any,
) -> MaturedDecision:
    """Return one decision asked `hours` after the start."""
    features = {**FEATURES, "adx_14": adx, "volatility_regime": volatility}
    side = action.side
    plan = ExitPlan(1.37 - 0.004 * side, 1.37 + 0.006 * side, timedelta(hours=longest_hours))
    request = question(hours, action, features=features, plan=plan, run_id=run_id, **fields)
    prompt = StoredPrompt(PREFIX, f"adx {adx} at {hours} {action.value} ->", f"hash-{run_id}-{hours}-{action.value}")
    return MaturedDecision(
        request=request,
        decision=answer(request, prompt_hash=prompt.hash if prompted else ""),
        prompt=prompt if prompted else None,
        template_version=template_version,
        schema_version="features-1",
        net_r=net_r,
        realised_r=realised_r,
        closed_utc=request.market.time_utc + timedelta(hours=held_hours),
        matured_utc=request.market.time_utc + timedelta(hours=longest_hours),
        origin=origin,
    )


def series(results: Sequence[float | None], step_hours: float = 1, **fields: Any) -> list[MaturedDecision]:
    """Return decisions at equal distances with these results."""
    return [matured(place * step_hours, result, **fields) for place, result in enumerate(results)]


def after(decisions: Sequence[MaturedDecision]) -> datetime:
    """Return a moment at which all of them count."""
    return max((decision.matured_utc for decision in decisions), default=START) + timedelta(hours=1)


def store_series(
    store: Any,
    results: Sequence[float | None],
    *,
    run_id: str = "run",
    step_hours: float = 1,
    held_hours: Sequence[float] | float = 6,
    **fields: Any,
) -> list[MaturedDecision]:
    """Write one decision per result into an outcome store, with its replay; None leaves the trade open."""
    store.start_run(run_id, {}, {})
    written = []
    for place, net in enumerate(results):
        held = held_hours if isinstance(held_hours, int | float) else held_hours[place]
        decision = matured(place * step_hours, net, run_id=run_id, held_hours=held, **fields)
        approved = place % 2 == 0
        stored = answer(decision.request, approve=approved, prompt_hash=decision.decision.prompt_hash)
        text = None if decision.prompt is None else decision.prompt.text
        store.save_decision(decision.request, stored, text, decision.template_version, decision.schema_version)
        if net is not None:
            kind = OutcomeKind.REPLAY if approved else OutcomeKind.SHADOW
            store.save_outcome(result(decision.request, net, held, kind))
        written.append(decision)
    sign_of_life(store, after(written), run_id)
    return written


def sign_of_life(store: Any, time_utc: datetime, run_id: str = "run") -> None:
    """Let a run be heard of: a question about a position, which is no decision to learn from."""
    hours = (time_utc - START) / timedelta(hours=1)
    asked = question(hours, Action.SELL, run_id=run_id, kind=QuestionKind.POSITION)
    store.save_decision(asked, replace(answer(asked), kind=QuestionKind.POSITION))
