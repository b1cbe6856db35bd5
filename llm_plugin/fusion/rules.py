"""The built-in strategies.

`weighted`: both agree, or who alone reaches the threshold decides, or the weighted supports are compared. `regime`:
the same with the weight of the market's regime. `llm`: the language model's choice stands, for it has read the signal
and its confidence. `signal`: the signal stands, the language model is only recorded.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from llm_plugin.domain import Action, QuestionKind
from llm_plugin.fusion.base import FusionInput, Proposal, break_even, edge

if TYPE_CHECKING:
    from llm_plugin.settings import FusionSettings

__all__ = [
    "llm_only",
    "llm_support",
    "market_regime",
    "regime",
    "signal_action",
    "signal_only",
    "signal_support",
    "weighted",
]


def weighted(inputs: FusionInput, settings: FusionSettings) -> Proposal:
    """Agreement, else the confident one, else confidence against weight."""
    return _weigh(inputs, settings, settings.llm_weight, "weight")


def regime(inputs: FusionInput, settings: FusionSettings) -> Proposal:
    """The same with the weight of the regime: by default the signal leads in a trend, the language model in a range."""
    name = market_regime(inputs, settings)
    return _weigh(inputs, settings, getattr(settings.regime_weights, name), f"weight_{name}")


def llm_only(inputs: FusionInput, settings: FusionSettings) -> Proposal:
    """The language model's choice."""
    return _settled(inputs.llm_action, llm_support(inputs, settings), "llm", 0.0, 1.0)


def signal_only(inputs: FusionInput, _: FusionSettings) -> Proposal:
    """The signal's choice."""
    return _settled(signal_action(inputs), signal_support(inputs), "signal", 1.0, 0.0)


def market_regime(inputs: FusionInput, settings: FusionSettings) -> str:
    """Return trend, range or neutral by ADX; neutral where it is unavailable."""
    adx = inputs.request.market.features.get("adx_14", math.nan)
    if adx >= settings.adx_trend:
        return "trend"
    return "range" if adx < settings.adx_range else "neutral"


def signal_action(inputs: FusionInput) -> Action:
    """Return what the signal wants among the legal actions; on an open position an illegal wish means leave it."""
    action = inputs.request.signal.action
    return action if action in inputs.legal else Action.HOLD


def signal_support(inputs: FusionInput) -> dict[Action, float]:
    """Spread the signal's side over the legal actions: its confidence, and the rest on HOLD."""
    action, confidence = signal_action(inputs), inputs.request.signal.confidence
    if action is Action.HOLD:
        others = [name for name in inputs.legal if name is not Action.HOLD]
        held = max(0.5, confidence) if others else 1.0
        return {Action.HOLD: held, **{name: (1 - held) / len(others) for name in others}}
    return {**dict.fromkeys(inputs.legal, 0.0), action: confidence, Action.HOLD: 1 - confidence}


def llm_support(inputs: FusionInput, settings: FusionSettings) -> dict[Action, float]:
    """Spread the language model's side over the legal actions.

    By default its share for each: a model trained by this package learns expectation, so 0.5 is break-even whatever
    stop and target are. Calibrated probabilities of winning count from the break-even of the exit plan instead.
    """
    scores, request = inputs.scores, inputs.request
    entry, pays = request.signal.action, scores.profit_probability
    usable = request.kind is QuestionKind.ENTRY and entry in inputs.legal and math.isfinite(pays)
    if settings.llm_confidence == "calibrated" and usable:
        value = edge(pays, break_even(request) if settings.break_even else 0.5)
        return {**dict.fromkeys(inputs.legal, 0.0), entry: value, Action.HOLD: 1 - value}
    return {name: scores.probabilities[name] for name in inputs.legal}


def _weigh(inputs: FusionInput, settings: FusionSettings, llm_weight: float, name: str) -> Proposal:
    ours, theirs = signal_support(inputs), llm_support(inputs, settings)
    wanted, chosen = signal_action(inputs), inputs.llm_action
    mixed = {action: (1 - llm_weight) * ours[action] + llm_weight * theirs[action] for action in inputs.legal}
    if wanted is chosen:
        return _settled(wanted, mixed, "agreement", 1 - llm_weight, llm_weight)
    threshold = settings.confidence_threshold
    sure_llm, sure_signal = theirs[chosen] >= threshold, ours[wanted] >= threshold
    if sure_llm and not sure_signal:
        return _settled(chosen, theirs, "llm_confident", 0.0, 1.0)
    if sure_signal and not sure_llm:
        return _settled(wanted, ours, "signal_confident", 1.0, 0.0)
    return Proposal(mixed, name, None, 1 - llm_weight, llm_weight)


def _settled(action: Action, support: dict[Action, float], rule: str, signal: float, llm: float) -> Proposal:
    return Proposal(support, rule, action, signal, llm)
