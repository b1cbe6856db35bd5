"""Strategies by name, and `fuse`: mask first, then choose, then size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from llm_plugin.domain import Action, QuestionKind
from llm_plugin.errors import ConfigError, did_you_mean
from llm_plugin.fusion.base import Fused, FusionInput, Proposal, Strategy, break_even, edge
from llm_plugin.fusion.rules import llm_only, regime, signal_only, weighted

if TYPE_CHECKING:
    from llm_plugin.settings import Settings, SizingSettings

__all__ = ["choose", "fuse", "fusion_names", "get_fusion", "register_fusion", "size_multiplier", "unregister_fusion"]

_SHIPPED: dict[str, Strategy] = {"llm": llm_only, "regime": regime, "signal": signal_only, "weighted": weighted}
_REGISTERED: dict[str, Strategy] = {}


def register_fusion(name: str, strategy: Strategy) -> None:
    """Add a strategy that `fusion.strategy` can name.

    Args:
        name: A new name.
        strategy: Called with both sides and the `fusion` settings; returns its `Proposal`. Support for an
            illegal action is never looked at. A strategy that raises ends in `validator.on_failure`.

    Raises:
        ConfigError: The name is taken.
    """
    if name in fusion_names():
        raise ConfigError(f"a fusion strategy named {name!r} exists already; choose another name")
    _REGISTERED[name] = strategy


def unregister_fusion(name: str) -> None:
    """Remove a registered strategy; built-in ones stay."""
    _REGISTERED.pop(name, None)


def fusion_names() -> list[str]:
    """Return the names that `fusion.strategy` may hold, sorted."""
    return sorted({**_SHIPPED, **_REGISTERED})


def get_fusion(name: str) -> Strategy:
    """Return a strategy.

    Raises:
        ConfigError: No such strategy.
    """
    strategy = _REGISTERED.get(name) or _SHIPPED.get(name)
    if strategy is None:
        names = fusion_names()
        raise ConfigError(f"fusion.strategy = {name!r}: unknown{did_you_mean(name, names)}; known: {', '.join(names)}")
    return strategy


def fuse(inputs: FusionInput, settings: Settings) -> Fused:
    """Combine signal and language model into one legal action.

    Raises:
        ConfigError: The configured strategy does not exist.
        ValueError: The strategy's support is not finite.
    """
    proposal = get_fusion(settings.fusion.strategy)(inputs, settings.fusion)
    action = choose(proposal, inputs, settings.reasoning.tie_tolerance)
    own = proposal.support.get(action, -math.inf)
    masked = tuple(name for name, value in proposal.support.items() if name not in inputs.legal and value > own)
    if proposal.settled is not None and proposal.settled is not action:
        masked = (proposal.settled, *(name for name in masked if name is not proposal.settled))
    confidence = _confidence(action, proposal, inputs, settings)
    multiplier = 0.0 if action is Action.HOLD else 1.0
    if action.side and inputs.request.kind is QuestionKind.ENTRY:
        neutral = break_even(inputs.request) if settings.fusion.break_even and _calibrated(inputs) else 0.5
        multiplier = size_multiplier(edge(confidence, neutral), settings.sizing)
    return Fused(action, confidence, multiplier, proposal.rule, proposal.trust_signal, proposal.trust_llm, masked)


def choose(proposal: Proposal, inputs: FusionInput, tie_tolerance: float) -> Action:
    """Apply the mask, then take the settled action, else the one with the greatest support; a tie is HOLD.

    Where no legal action has support, the signal's action is taken if it is legal, else HOLD.

    Raises:
        ValueError: Support that is not finite.
    """
    support = {action: proposal.support[action] for action in inputs.legal if action in proposal.support}
    broken = {action.value: value for action, value in support.items() if not math.isfinite(value)}
    if broken:
        raise ValueError(f"fusion rule {proposal.rule!r} gave support that is not finite: {broken}")
    if proposal.settled is not None and proposal.settled in inputs.legal:
        return proposal.settled
    if not support:
        wanted = inputs.request.signal.action
        return wanted if wanted in inputs.legal else Action.HOLD
    ranked = sorted(support.items(), key=lambda item: (-item[1], item[0].value))
    if len(ranked) > 1 and ranked[0][1] - ranked[1][1] <= tie_tolerance:
        return Action.HOLD
    return ranked[0][0]


def size_multiplier(value: float, settings: SizingSettings) -> float:
    """Return 1, 0.75 or 0.5 by a probability whose break-even is 0.5."""
    if not settings.enabled or value >= settings.full_from:
        return 1.0
    return 0.75 if value >= settings.three_quarters_from else 0.5


def _calibrated(inputs: FusionInput) -> bool:
    return math.isfinite(inputs.scores.profit_probability)


def _confidence(action: Action, proposal: Proposal, inputs: FusionInput, settings: Settings) -> float:
    if inputs.request.kind is QuestionKind.POSITION:
        total = sum(max(0.0, proposal.support.get(name, 0.0)) for name in inputs.legal)
        return max(0.0, proposal.support.get(action, 0.0)) / total if total > 0 else 0.0
    entry = inputs.request.signal.action
    if _calibrated(inputs):
        pays = inputs.scores.profit_probability
    else:
        weight = settings.fusion.llm_weight
        pays = (1 - weight) * inputs.request.signal.confidence + weight * inputs.scores.probabilities.get(entry, 0.0)
    return 1 - pays if action is Action.HOLD else pays
