"""What the service answers, for the OpenAPI document; the tests check real answers against it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from llm_plugin.service.schemas import DecisionBody, Known, SignalBody

__all__ = [
    "Context",
    "Decisions",
    "OpenDecisions",
    "OutcomeStatus",
    "OutcomeStatuses",
    "Problem",
    "RetrainAnswer",
    "RollbackAnswer",
    "RunAnswer",
    "SignalAnswer",
    "Stats",
    "Status",
    "Versions",
]


class ProblemDetail(BaseModel):
    """One error."""

    type: str = Field(description="kind of the error")
    message: str = Field(description="for a person: the value, what is allowed, what to do")
    field: str | None = Field(default=None, description="the field or setting that is wrong")
    problems: list[Any] | None = Field(default=None, description="every finding, not only the first")
    holder: str | None = Field(default=None, description="who holds what was asked for")
    until_utc: str | None = None
    count: int | None = None
    needed: int | None = None


class Problem(BaseModel):
    """The body of every error."""

    error: ProblemDetail


class Status(BaseModel):
    """One word."""

    status: str


class RunAnswer(BaseModel):
    """A run that may begin."""

    run_id: str
    known: bool = Field(description="whether questions of it were answered before")
    version: str = Field(description="who answers now")


class Decisions(BaseModel):
    """Answers in the order of the questions."""

    decisions: list[DecisionBody]


class SignalAnswer(BaseModel):
    """A signal; null where the service has no signal model."""

    signal: SignalBody | None


class OutcomeStatus(BaseModel):
    """What became of an outcome."""

    status: Literal["recorded", "duplicate", "refused"]
    buffer_size: int | None = Field(default=None, description="decisions to learn from")
    r_multiple: Known = None
    r_source: str | None = Field(default=None, description="given, prices, plan, or sign of the profit")
    reason: str | None = None
    decision_id: str | None = None
    action: str | None = None
    kind: str | None = None


class OutcomeStatuses(BaseModel):
    """One status per outcome, in their order."""

    outcomes: list[OutcomeStatus]


class SimilarTrade(BaseModel):
    """A remembered trade."""

    decision_id: str
    symbol: str
    signal: str
    setup: str
    outcome: str
    kind: str
    pnl: Known
    r_multiple: Known
    reasoning: str
    timestamp: str
    similarity: float


class Context(BaseModel):
    """What the model is shown beside the market."""

    similar_trades: list[SimilarTrade]
    session_context: dict[str, Any]


class OpenDecision(BaseModel):
    """A question and its answer."""

    request: dict[str, Any]
    decision: DecisionBody


class OpenDecisions(BaseModel):
    """Decisions without an outcome."""

    run_id: str
    open: list[OpenDecision]


class RetrainAnswer(BaseModel):
    """What a trigger led to."""

    status: Literal["started", "insufficient_data", "refused"]
    task_id: str | None = None
    count: int | None = Field(default=None, description="matured decisions since the last training")
    needed: int | None = None
    holder: str | None = Field(default=None, description="who runs a cycle already")
    until_utc: str | None = None
    message: str


class Interval(BaseModel):
    """A change with its interval; null = cannot be judged."""

    change: Known
    low: Known
    high: Known
    before_trades: int
    after_trades: int
    reason: str | None = None


class Stats(BaseModel):
    """How the tuning stands."""

    current_version: str
    model_version: str
    buffer_size: int
    needed: int = Field(description="decisions before the next retrain")
    last_retrain: dict[str, Any] | None
    win_rate_improvement: Interval
    next_retrain_utc: str | None
    next_retrain: str = Field(description="the same in words, with what is still missing")
    previous_version: str | None
    watch: dict[str, Any] | None
    refused_versions: dict[str, str] = Field(description="versions that were not let in, and why")
    retrain_running: str | None
    health: dict[str, Any]


class VersionRow(BaseModel):
    """One version of the adapter."""

    version: str
    stage: str
    parent: str | None
    created_utc: str | None
    serving: bool
    gate: str | None = Field(description="verdict of the gate, null before it was judged")


class Versions(BaseModel):
    """Every version, and who serves."""

    champion: str
    previous: str | None
    challenger: str | None
    versions: list[VersionRow]


class RollbackAnswer(BaseModel):
    """Who serves after a roll-back."""

    status: str
    version: str
    replaced: str
    reason: str
