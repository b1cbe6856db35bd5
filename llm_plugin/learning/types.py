"""The words of the closed loop, shared by pairs, gate, watch, drift and the cycle. Standard library only.

R is net of costs, in units of the initial stop distance. All times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from llm_plugin.domain import Action, Decision, DecisionRequest

__all__ = [
    "CycleStatus",
    "GateVerdict",
    "MaturedDecision",
    "Origin",
    "PolicyAnswer",
    "StoredPrompt",
    "Utility",
]

Origin = Literal["signal", "context"]
"""`signal`: the algorithm asked. `context`: a bar without a signal, asked as if one had fired; trains, never judges."""

GateVerdict = Literal["pass", "fail", "cannot_judge"]
"""Only `pass` promotes."""

CycleStatus = Literal["promoted", "refused", "cannot_judge", "insufficient_data", "failed", "not_due", "waiting"]
"""How a cycle ended. `refused`: the gate said no. `failed`: training broke (NaN, full disk); the champion stays.
`not_due`: none was begun (busy hours, or the interval is not over). `waiting`: it stopped where it was asked to."""


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """A prompt as it was asked; a `reasoning.base.PromptText`."""

    prefix: str
    suffix: str
    hash: str

    @property
    def text(self) -> str:
        """The whole text."""
        return self.prefix + self.suffix


@dataclass(frozen=True, slots=True)
class MaturedDecision:
    """One entry question whose every legal action has a known end, and which is older than the longest holding time.

    Attributes:
        request: The question; `request.signal.action` against HOLD.
        decision: What was answered at the time.
        prompt: The stored prompt; None where no prompt was made (risk veto, warming up, ablation arm).
        template_version: Of the prompt templates.
        schema_version: Of the features.
        net_r: Replayed net R of the signal's action, symmetric for taken and vetoed trades; None where the path
            cannot be replayed. HOLD is 0 by definition.
        realised_r: What the fills gave, None where nothing was filled.
        closed_utc: When the replayed trade (or, without one, the realised trade) ended.
        matured_utc: Decision time plus the longest holding time: from then on it counts.
        origin: See `Origin`.
    """

    request: DecisionRequest
    decision: Decision
    prompt: StoredPrompt | None
    template_version: str
    schema_version: str
    net_r: float | None
    realised_r: float | None
    closed_utc: datetime
    matured_utc: datetime
    origin: Origin = "signal"

    @property
    def decision_id(self) -> str:
        """Unique for ever."""
        return self.request.decision_id

    @property
    def time_utc(self) -> datetime:
        """When it was asked: the order of everything."""
        return self.request.market.time_utc

    @property
    def signal_action(self) -> Action:
        """BUY or SELL."""
        return self.request.signal.action


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """What one model version would have done with one matured decision.

    Attributes:
        decision_id: The question.
        version: Who answered.
        action: The verdict's action after fusion, as the validator gives it: the signal's action or HOLD.
        size: 0 for a veto, else the size multiplier.
        margin: log p(signal) - log p(HOLD) of the model itself.
        action_mass: Probability that the next words are a legal action.
        profit_probability: Calibrated probability that net R > 0; NaN without a calibrator.
        seconds: Time this answer took, its share of a batch.
    """

    decision_id: str
    version: str
    action: Action
    size: float
    margin: float
    action_mass: float
    profit_probability: float
    seconds: float = 0.0

    @property
    def approved(self) -> bool:
        """True where the trade is taken."""
        return self.size > 0


@dataclass(frozen=True, slots=True)
class Utility:
    """What two policies made of one decision, in clipped net R: `net_r` x size of each."""

    decision_id: str
    time_utc: datetime
    symbol_id: str
    net_r: float
    champion: float
    challenger: float
    facts: Mapping[str, Any] = field(default_factory=dict)
