"""The words of the system: actions, signals, questions, decisions, outcomes.

Standard library only, so that it runs inside LEAN's container. All times are aware UTC. Prices and profits are
floats in the quote or account currency; R is the profit in units of the initial stop distance.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from pathlib import PurePath
from typing import Any, Protocol, runtime_checkable

__all__ = [
    "AccountState",
    "Action",
    "Decision",
    "DecisionBackend",
    "DecisionRequest",
    "ExitPlan",
    "ExitReason",
    "MarketContext",
    "Outcome",
    "OutcomeKind",
    "PositionState",
    "PriceBar",
    "QuestionKind",
    "Signal",
    "Source",
    "Verdict",
    "decision_id",
    "from_jsonable",
    "to_jsonable",
]

DECISION_NAMESPACE = uuid.UUID("6f2c2b5e-6d0c-5a53-9a4e-4c1d2a9b7e11")


class Action(StrEnum):
    """What can be done at a bar. On an open position the opposite side means close."""

    HOLD = "HOLD"
    BUY = "BUY"
    SELL = "SELL"
    MOVE_TO_BE = "MOVE_TO_BE"
    ENABLE_TRAIL = "ENABLE_TRAIL"
    DISABLE_TRAIL = "DISABLE_TRAIL"

    @property
    def side(self) -> int:
        """+1 for BUY, -1 for SELL, 0 otherwise."""
        return {"BUY": 1, "SELL": -1}.get(self.value, 0)


class Verdict(StrEnum):
    """What the validator says about a signal."""

    APPROVE = "approve"
    VETO = "veto"
    ADJUST = "adjust"


class Source(StrEnum):
    """Where a decision came from."""

    LLM = "llm"
    CACHE = "cache"
    STALE = "stale"
    FALLBACK = "fallback"
    RISK = "risk"
    WARMING = "warming"
    RULE = "rule"  # an ablation arm or position rule that asks no language model


class QuestionKind(StrEnum):
    """An entry question (signal or HOLD) or a question about an open position."""

    ENTRY = "entry"
    POSITION = "position"


class OutcomeKind(StrEnum):
    """Realised by fills, replayed for a vetoed trade (shadow), or replayed for an executed or unexecuted one."""

    REALISED = "realised"
    SHADOW = "shadow"
    REPLAY = "replay"


class ExitReason(StrEnum):
    """Why a trade, real or replayed, ended."""

    STOP = "stop"
    TARGET = "target"
    TIMEOUT = "timeout"
    TRAIL = "trail"
    BREAK_EVEN = "break_even"
    SIGNAL = "signal"
    RISK_MODEL = "risk_model"
    DELISTED = "delisted"
    NOT_EXECUTED = "not_executed"
    END_OF_DATA = "end_of_data"


@dataclass(frozen=True, slots=True)
class PriceBar:
    """One completed bar, both sides of the quote. Trade-only data has bid == ask. `volume` is NaN where unknown."""

    start_utc: datetime
    end_utc: datetime
    bid_open: float
    bid_high: float
    bid_low: float
    bid_close: float
    ask_open: float
    ask_high: float
    ask_low: float
    ask_close: float
    volume: float = math.nan

    @property
    def high(self) -> float:
        """Mid high."""
        return (self.bid_high + self.ask_high) / 2

    @property
    def low(self) -> float:
        """Mid low."""
        return (self.bid_low + self.ask_low) / 2

    @property
    def close(self) -> float:
        """Mid close."""
        return (self.bid_close + self.ask_close) / 2


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """How a trade ends by itself: stop and target are price levels, timeout is the vertical barrier."""

    stop: float
    target: float | None = None
    timeout: timedelta | None = None

    def stop_distance(self, reference_price: float) -> float:
        """Return 1 R in price units."""
        return abs(reference_price - self.stop)


@dataclass(frozen=True, slots=True)
class Signal:
    """What a model or an alpha wants: `confidence` in [0, 1] is its probability that the trade pays."""

    symbol_id: str
    ticker: str
    time_utc: datetime
    action: Action
    confidence: float
    source: str = "user"
    group: str | None = None


@dataclass(frozen=True, slots=True)
class PositionState:
    """The open position of one symbol; quantity 0 means flat."""

    quantity: float = 0.0
    entry_price: float = 0.0
    unrealized_pnl: float = 0.0
    bars_held: int = 0
    stop: float = math.nan
    target: float = math.nan
    trailing: bool = False
    at_break_even: bool = False

    @property
    def side(self) -> int:
        """+1 long, -1 short, 0 flat."""
        return (self.quantity > 0) - (self.quantity < 0)


@dataclass(frozen=True, slots=True)
class AccountState:
    """The account in its own currency at decision time."""

    equity: float
    peak_equity: float
    balance: float
    start_equity: float

    @property
    def drawdown_fraction(self) -> float:
        """Distance from the peak, 0 at the peak."""
        return 0.0 if self.peak_equity <= 0 else max(0.0, 1 - self.equity / self.peak_equity)


@dataclass(frozen=True, slots=True)
class MarketContext:
    """What is known of one symbol at the end of its last completed bar. A feature that is unavailable is absent."""

    symbol_id: str
    ticker: str
    market: str
    security_type: str
    time_utc: datetime
    resolution: str
    price: float
    bid: float
    ask: float
    features: Mapping[str, float] = field(default_factory=dict)
    lot_size: float = 1.0
    tick_size: float = 0.01
    contract_multiplier: float = 1.0
    quote_currency: str = "USD"
    ready: bool = True


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """One question to the validator. `legal` always contains HOLD; for an entry it is (signal.action, HOLD)."""

    decision_id: str
    run_id: str
    kind: QuestionKind
    sequence: int
    signal: Signal
    market: MarketContext
    position: PositionState
    account: AccountState
    legal: tuple[Action, ...]
    exit: ExitPlan | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The validator's answer. `action` is what to do; `approved` is true for approve and adjust."""

    decision_id: str
    run_id: str
    kind: QuestionKind
    symbol_id: str
    time_utc: datetime
    verdict: Verdict
    action: Action
    size_multiplier: float
    confidence: float
    source: Source
    signal_action: Action
    signal_confidence: float
    reason: str = ""
    trust_signal: float = math.nan
    trust_llm: float = math.nan
    model_version: str = ""
    prompt_hash: str = ""
    fusion_rule: str = ""
    risk_rule: str = ""
    llm_action: Action | None = None
    llm_confidence: float = math.nan
    action_mass: float = math.nan
    action_probabilities: Mapping[str, float] = field(default_factory=dict)
    memory_hits: tuple[str, ...] = ()
    latency_seconds: float = 0.0
    lot_size: float = 1.0

    @property
    def approved(self) -> bool:
        """True for approve and adjust."""
        return self.verdict is not Verdict.VETO

    @property
    def tag(self) -> str:
        """The order tag that binds a fill to this decision."""
        return f"llm:{self.decision_id}"

    def quantity(self, quantity: float) -> float:
        """Apply the size multiplier and round to the lot towards zero; 0 for a veto."""
        if not self.approved:
            return 0.0
        lot = Decimal(repr(self.lot_size))
        scaled = Decimal(repr(float(quantity))) * Decimal(repr(self.size_multiplier))
        return float((scaled / lot).to_integral_value(ROUND_DOWN) * lot)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action led to, net of costs. One row per decision, action and kind; `taken` marks the executed one."""

    decision_id: str
    run_id: str
    symbol_id: str
    action: Action
    kind: OutcomeKind
    taken: bool
    opened_utc: datetime
    closed_utc: datetime
    entry_price: float
    exit_price: float
    quantity: float
    pnl: float
    return_fraction: float
    r_multiple: float
    volatility_adjusted_return: float
    bars_held: int
    mae_r: float
    mfe_r: float
    cost_r: float
    exit_reason: ExitReason


@runtime_checkable
class DecisionBackend(Protocol):
    """Who answers the algorithm: in process, a service by URL, or a recorded run."""

    def signal(self, market: MarketContext) -> Signal | None:
        """Return the configured signal model's signal for a bar (HOLD = no signal), None where none is set."""

    def validate(self, request: DecisionRequest) -> Decision:
        """Answer one question; never raises for a failing model (the decision's source says so)."""

    def record_outcome(self, outcome: Outcome) -> None:
        """Store an outcome exactly once."""

    def close(self) -> None:
        """Flush and release everything; idempotent."""


def decision_id(run_id: str, symbol_id: str, time_utc: datetime, kind: QuestionKind, sequence: int) -> str:
    """Return the uuid5 of a question: unique for ever and the idempotency key of a service."""
    stamp = time_utc.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return str(uuid.uuid5(DECISION_NAMESPACE, f"{run_id}|{symbol_id}|{stamp}|{kind.value}|{sequence}"))


def to_jsonable(value: Any) -> Any:
    """Turn a domain object into plain JSON types: times as ISO 8601 Z, NaN as null, timedelta as seconds."""
    if type(value) is float:  # most values of a request are features: this test comes first for speed
        return value if math.isfinite(value) else None
    if hasattr(value, "__dataclass_fields__"):
        return {name: to_jsonable(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_jsonable(item) for item in value]
    return value


_ENUMS = {cls.__name__: cls for cls in (Action, Verdict, Source, QuestionKind, OutcomeKind, ExitReason)}
_NESTED: dict[str, type] = {}


def from_jsonable(kind: type, data: Mapping[str, Any]) -> Any:
    """Rebuild a domain object from `to_jsonable`'s output.

    Args:
        kind: One of this module's dataclasses.
        data: Its fields; unknown keys are an error that names them.

    Raises:
        ValueError: An unknown key.
    """
    known = kind.__dataclass_fields__  # type: ignore[attr-defined]
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}; known: {', '.join(known)}")
    return kind(**{name: _revive(str(known[name].type), item) for name, item in data.items()})


def _revive(annotation: str, item: Any) -> Any:
    base = annotation.removesuffix(" | None")
    if item is None:
        return None if annotation != "float" else math.nan
    if base in _ENUMS:
        return _ENUMS[base](item)
    if base in _NESTED:
        return from_jsonable(_NESTED[base], item)
    if base == "datetime":
        return datetime.fromisoformat(item.replace("Z", "+00:00"))
    if base == "timedelta":
        return timedelta(seconds=item)
    if base.startswith("tuple["):
        inner = base[6:-1].split(",")[0]
        return tuple(_revive(inner, entry) for entry in item)
    return item


_NESTED.update({cls.__name__: cls for cls in (ExitPlan, Signal, PositionState, AccountState, MarketContext)})
