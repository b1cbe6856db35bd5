"""What goes over the wire, checked and documented; the domain's own objects stand behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from llm_plugin.domain import (
    AccountState,
    Action,
    Decision,
    DecisionRequest,
    ExitPlan,
    ExitReason,
    MarketContext,
    Outcome,
    OutcomeKind,
    PositionState,
    QuestionKind,
    Signal,
    Source,
    Verdict,
    decision_id,
    from_jsonable,
)
from llm_plugin.service.examples import DECISION, OUTCOME, QUESTION, REPORT
from llm_plugin.service.outcomes import TradeResult
from llm_plugin.service.reports import DEFAULT_RUN, Report

__all__ = [
    "ContextQuestion",
    "DecisionBody",
    "MarketBody",
    "OutcomeBody",
    "Outcomes",
    "OwnDecision",
    "Question",
    "Questions",
    "ResultBody",
    "RetrainBody",
    "RollbackBody",
    "RunBody",
    "SignalBody",
]

NAN = float("nan")
FEATURES = 4096
PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
FIRST, LAST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=PRINTABLE)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE)]
Word = Annotated[str, StringConstraints(max_length=100)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Known = Annotated[float | None, Field(allow_inf_nan=False, description="null = not known")]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Time = Annotated[AwareDatetime, Field(ge=FIRST, lt=LAST, description="with zone, from 1971 to 2199")]
Features = Annotated[dict[Name, Known], Field(max_length=FEATURES)]


class Strict(BaseModel):
    """Unknown fields are an error that names them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SignalBody(Strict):
    """What a model or an alpha wants."""

    symbol_id: Name
    ticker: Name
    time_utc: Time
    action: Action
    confidence: Share
    source: Word = "user"
    group: Name | None = None


class MarketBody(Strict):
    """What is known of one symbol at the end of its last completed bar."""

    symbol_id: Name
    ticker: Name
    market: Word
    security_type: Word
    time_utc: Time
    resolution: Word
    price: Known
    bid: Known = None
    ask: Known = None
    features: Features = Field(default_factory=dict)
    lot_size: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    tick_size: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    contract_multiplier: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    quote_currency: Word = "USD"
    ready: bool = True

    def domain(self) -> MarketContext:
        """Return the domain's object."""
        values = self.__dict__ | {"features": {name: v for name, v in self.features.items() if v is not None}}
        return MarketContext(**_known(values, "price", "bid", "ask"))


class PositionBody(Strict):
    """The open position; quantity 0 = flat."""

    quantity: Number = 0.0
    entry_price: Known = 0.0
    unrealized_pnl: Known = 0.0
    bars_held: Annotated[int, Field(ge=0, lt=1 << 31)] = 0
    stop: Known = None
    target: Known = None
    trailing: bool = False
    at_break_even: bool = False


class AccountBody(Strict):
    """The account in its own currency."""

    equity: Number
    peak_equity: Number
    balance: Number
    start_equity: Number


class ExitBody(Strict):
    """How the trade ends by itself."""

    stop: Number
    target: Known = None
    timeout: Annotated[float | None, Field(ge=0, le=10 * 366 * 86_400, description="seconds")] = None

    def domain(self) -> ExitPlan:
        """Return the domain's object."""
        return ExitPlan(self.stop, self.target, None if self.timeout is None else timedelta(seconds=self.timeout))


class Question(Strict):
    """One question; `decision_id` is the idempotency key and follows from run, symbol, time, kind and sequence."""

    model_config = ConfigDict(json_schema_extra={"examples": [QUESTION]})

    decision_id: Identifier | None = Field(
        default=None, description="null = made here: uuid5 of run, symbol, time, kind and sequence"
    )
    run_id: Name
    kind: QuestionKind = QuestionKind.ENTRY
    sequence: Annotated[int, Field(ge=0, lt=1 << 31)] = 0
    signal: SignalBody
    market: MarketBody
    position: PositionBody = Field(default_factory=PositionBody)
    account: AccountBody
    legal: Annotated[tuple[Action, ...], Field(min_length=1, max_length=6)] | None = Field(
        default=None, description="null = the signal's action and HOLD"
    )
    exit: ExitBody | None = None

    def domain(self) -> DecisionRequest:
        """Return the domain's object."""
        market, signal = self.market.domain(), Signal(**self.signal.__dict__)
        identifier = self.decision_id or decision_id(
            self.run_id, market.symbol_id, market.time_utc, self.kind, self.sequence
        )
        return DecisionRequest(
            decision_id=identifier,
            run_id=self.run_id,
            kind=self.kind,
            sequence=self.sequence,
            signal=signal,
            market=market,
            position=PositionState(**_known(self.position.__dict__, "entry_price", "unrealized_pnl", "stop", "target")),
            account=AccountState(**self.account.__dict__),
            legal=self.legal or (signal.action, Action.HOLD),
            exit=None if self.exit is None else self.exit.domain(),
        )


class Questions(Strict):
    """Several questions, answered in their order."""

    questions: Annotated[list[Question], Field(min_length=1)]


class DecisionBody(Strict):
    """The answer."""

    model_config = ConfigDict(json_schema_extra={"examples": [DECISION]})

    decision_id: Identifier
    run_id: Name
    kind: QuestionKind
    symbol_id: Name
    time_utc: Time
    verdict: Verdict
    action: Action
    size_multiplier: Share
    confidence: Known
    source: Source
    signal_action: Action
    signal_confidence: Known
    reason: str = ""
    trust_signal: Known = None
    trust_llm: Known = None
    model_version: str = Field(default="", description="which generation answered; empty where none was asked")
    prompt_hash: str = ""
    fusion_rule: str = ""
    risk_rule: str = ""
    llm_action: Action | None = None
    llm_confidence: Known = None
    action_mass: Known = None
    action_probabilities: dict[str, float] = Field(default_factory=dict)
    memory_hits: tuple[str, ...] = ()
    latency_seconds: Number = 0.0
    lot_size: Number = 1.0

    def domain(self) -> Decision:
        """Return the domain's object."""
        decision: Decision = from_jsonable(Decision, self.model_dump(mode="json"))
        return decision


class OwnDecision(Strict):
    """A decision that a client made by itself because no answer came in time."""

    request: Question
    decision: DecisionBody


class OutcomeBody(Strict):
    """What an action of a decision led to, net of costs."""

    model_config = ConfigDict(json_schema_extra={"examples": [OUTCOME]})

    decision_id: Identifier
    run_id: Name
    symbol_id: Name
    action: Action
    kind: OutcomeKind
    taken: bool
    opened_utc: Time
    closed_utc: Time
    entry_price: Known
    exit_price: Known
    quantity: Known
    pnl: Known
    return_fraction: Known
    r_multiple: Known
    volatility_adjusted_return: Known = None
    bars_held: Annotated[int, Field(ge=0, lt=1 << 31)] = 0
    mae_r: Known = None
    mfe_r: Known = None
    cost_r: Known = None
    exit_reason: ExitReason

    @model_validator(mode="after")
    def _judgeable(self) -> OutcomeBody:
        counted = self.kind is not OutcomeKind.REPLAY and self.action.side != 0
        ended = self.exit_reason not in (ExitReason.END_OF_DATA, ExitReason.NOT_EXECUTED)
        if counted and ended and self.r_multiple is None:
            raise ValueError("r_multiple must be a number where a trade ran to its end")
        return self

    def domain(self) -> Outcome:
        """Return the domain's object."""
        outcome: Outcome = from_jsonable(Outcome, self.model_dump(mode="json"))
        return outcome


class Outcomes(Strict):
    """Several outcomes; each is stored or refused by itself."""

    outcomes: Annotated[list[OutcomeBody], Field(min_length=1)]


class ResultBody(Strict):
    """An outcome in the words of `record_outcome`; without `decision_id` it feeds memory and session only."""

    model_config = ConfigDict(json_schema_extra={"examples": [REPORT]})

    symbol: Name
    signal: Literal["BUY", "SELL", "buy", "sell"]
    ml_confidence: Share
    llm_reasoning: Annotated[str, StringConstraints(max_length=20_000)] = ""
    llm_decision: Word = Field(default="", description="VETO or HOLD = the trade was not made: a shadow")
    actual_outcome: Word = Field(description="stop, target and timeout are understood; any other word is kept")
    pnl: Number
    timestamp: Time = Field(description="when the trade ended")
    decision_id: Identifier | None = None
    run_id: Name = Field(default=DEFAULT_RUN, description="the run whose memory and session learn it")
    r_multiple: Known = None
    entry_price: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    exit_price: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    quantity: Known = None
    features: Features = Field(default_factory=dict, description="market features at the decision")

    def report(self) -> Report:
        """Return it as a report."""
        return Report(
            run_id=self.run_id,
            symbol=self.symbol,
            signal=Action(self.signal.upper()),
            ml_confidence=self.ml_confidence,
            actual_outcome=self.actual_outcome,
            pnl=self.pnl,
            time_utc=self.timestamp.astimezone(UTC),
            llm_reasoning=self.llm_reasoning,
            llm_decision=self.llm_decision,
            r_multiple=self.r_multiple,
            features={name: value for name, value in self.features.items() if value is not None},
        )

    def result(self) -> TradeResult:
        """Return it as the result of a known decision."""
        return TradeResult(
            signal=Action(self.signal.upper()),
            symbol=self.symbol,
            actual_outcome=self.actual_outcome,
            pnl=self.pnl,
            closed_utc=self.timestamp.astimezone(UTC),
            r_multiple=self.r_multiple,
            entry_price=self.entry_price,
            exit_price=self.exit_price,
            quantity=self.quantity,
        )


class ContextSignal(Strict):
    """The signal that context is wanted for."""

    symbol: Name
    action: Literal["BUY", "SELL", "buy", "sell"]
    confidence: Share = 0.5
    time_utc: Time | None = Field(default=None, description="nothing later is seen; null = now")
    features: Features = Field(default_factory=dict)


class ContextQuestion(Strict):
    """Asks for similar trades and the session as of a time."""

    signal: ContextSignal
    run_id: Name = DEFAULT_RUN

    def report(self, now: datetime) -> Report:
        """Return the signal in the words of a report."""
        signal = self.signal
        return Report(
            run_id=self.run_id,
            symbol=signal.symbol,
            signal=Action(signal.action.upper()),
            ml_confidence=signal.confidence,
            actual_outcome="",
            pnl=0.0,
            time_utc=(signal.time_utc or now).astimezone(UTC),
            features={name: value for name, value in signal.features.items() if value is not None},
        )


class RunBody(Strict):
    """A run that is about to begin."""

    run_id: Name
    start_utc: Time | None = Field(default=None, description="first moment of a backtest; null = live")


class RetrainBody(Strict):
    """Asks for a cycle now."""

    force: bool = Field(default=False, description="also in busy hours and before the usual number of outcomes")
    reason: Word = Field(default="asked by an operator", description="kept with the cycle")


class RollbackBody(Strict):
    """Asks for an earlier version."""

    version: Identifier | None = Field(default=None, description="null = the previous one")
    reason: Word = Field(default="asked by an operator", description="kept with the change")


def _known(values: dict[str, Any], *names: str) -> dict[str, Any]:
    """Null stands for a number that is not known."""
    return values | {name: NAN for name in names if values[name] is None}
