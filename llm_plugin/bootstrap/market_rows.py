"""Training decisions from bars: signals, and bars without one, as the questions they would have been, replayed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from llm_plugin.bootstrap.rows import DecisionRow
from llm_plugin.domain import (
    AccountState,
    Action,
    DecisionRequest,
    ExitPlan,
    MarketContext,
    Outcome,
    OutcomeKind,
    PositionState,
    QuestionKind,
    Signal,
    decision_id,
)
from llm_plugin.errors import DataError
from llm_plugin.outcomes.batch import REASONS, BatchEntries, BatchOutcomes, replay_many
from llm_plugin.outcomes.costs import Costs
from llm_plugin.outcomes.exits import ExitPolicy, round_to_increment
from llm_plugin.outcomes.replay_entry import EntryFill

__all__ = ["BarSeries", "Instrument", "SignalEvents", "market_rows", "memory_lookup", "wilder_atr"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RUN_ID = "bootstrap"
MAX_DRAWDOWN = 0.5
START_EQUITY = 100_000.0


class BarSeries(Protocol):
    """Bars as arrays, such as `llm_plugin.data.bars.PriceBars`."""

    start_us: Ints
    end_us: Ints
    bid_open: Floats
    bid_high: Floats
    bid_low: Floats
    bid_close: Floats
    ask_open: Floats
    ask_high: Floats
    ask_low: Floats
    ask_close: Floats


@dataclass(frozen=True, slots=True)
class Instrument:
    """What a market context says of the symbol."""

    symbol_id: str
    ticker: str
    market: str
    security_type: str
    resolution: str
    tick_size: float = 0.00001
    lot_size: float = 1.0
    quote_currency: str = "USD"


@dataclass(frozen=True)
class SignalEvents:
    """Signals by the bar at whose end they fired; one element each.

    Attributes:
        bar: Index of the bar.
        side: +1 or -1.
        confidence: The signal model's own, out-of-fold: the model must not have seen the bar in training.
        stop: Stop price, NaN = by the exit policy.
        target: Target price, NaN = by the exit policy.
    """

    bar: Ints
    side: Ints
    confidence: Floats
    stop: Floats | None = None
    target: Floats | None = None


@dataclass(frozen=True)
class _Questions:
    bar: Ints
    side: Ints
    confidence: Floats
    stop: Floats
    target: Floats
    is_signal: NDArray[np.bool_]


def wilder_atr(bars: BarSeries, period: int) -> Floats:
    """Return Wilder's average true range of the mid prices, NaN before `period` bars; the exit plan's unit."""
    high, low = (bars.bid_high + bars.ask_high) / 2, (bars.bid_low + bars.ask_low) / 2
    close = (bars.bid_close + bars.ask_close) / 2
    span = high - low
    span[1:] = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    result, value = np.empty(len(span)), 0.0
    for index, item in enumerate(span.tolist()):
        count = min(index, period - 1)
        value = (value * count + item) / (count + 1)
        result[index] = value
    result[: period - 1] = np.nan
    return result


def market_rows(
    bars: BarSeries,
    features: Floats,
    names: Sequence[str],
    signals: SignalEvents,
    instrument: Instrument,
    *,
    policy: ExitPolicy | None = None,
    costs: Costs | None = None,
    fill: EntryFill = EntryFill.QUOTE,
    context_stride: int | None = None,
) -> list[DecisionRow]:
    """Render signals and other bars as decisions with replayed outcomes.

    Args:
        bars: All bars, in order; those after the cutoff must have been cut off.
        features: Feature table of the same bars, [bars, names]; NaN = unavailable.
        names: Names of its columns.
        signals: What fired where.
        instrument: The symbol.
        policy: Exit rules.
        costs: Slippage and fees.
        fill: When market orders fill.
        context_stride: Every so many bars without a signal is asked in both directions; None chooses about four such
            questions per signal, 0 leaves them out.

    Returns:
        Matured rows only, in time order: what the data cut short has no outcome.

    Raises:
        DataError: Arrays of different lengths, or no signal that matured.
    """
    policy = policy or ExitPolicy()
    if len(features) != len(bars.end_us) or features.shape[1] != len(names):
        raise DataError(
            f"{len(bars.end_us)} bars and {len(names)} names, but a feature table of shape {features.shape}"
        )
    period = timedelta(microseconds=int(np.median(np.diff(bars.end_us)))) if len(bars.end_us) > 1 else timedelta(0)
    questions = _questions(bars, features, signals, policy, instrument, context_stride)
    columns = {name: np.asarray(getattr(bars, name)) for name in _COLUMNS}
    outcomes = replay_many(
        columns,
        BatchEntries(questions.bar, questions.side, questions.stop, questions.target),
        timeout=policy.timeout(period),
        policy=policy,
        costs=costs,
        security_type=instrument.security_type,
        fill=fill,
    )
    done = np.flatnonzero(outcomes.matured & np.isfinite(outcomes.r_multiple))
    if not questions.is_signal[done].any():
        raise DataError(f"none of {len(signals.bar)} signals matured within {len(bars.end_us)} bars")
    timeout = policy.timeout(period)
    rows = [_row(int(i), bars, features, names, questions, outcomes, instrument, timeout) for i in done]
    rows.sort(key=lambda row: (row.time_utc, not row.is_signal, row.action.value))
    return _with_accounts(rows)


def memory_lookup(rows: Sequence[DecisionRow], k: int, same_symbol_first: bool = True) -> Any:
    """Return a function that finds the similar signals which closed before a row was asked.

    The same transform and the same ranking as in the validator.

    Args:
        rows: Signals among them are remembered.
        k: Hits per question.
        same_symbol_first: Hits of the row's symbol come first.
    """
    from llm_plugin.memory.local import LocalMemory
    from llm_plugin.memory.rebuild import record_of
    from llm_plugin.memory.vector import VectorTransform

    transform, memory = VectorTransform(), LocalMemory()
    remembered = [row for row in rows if row.is_signal and row.outcome is not None]
    memory.add_many([record_of(row.request, row.outcome, transform) for row in remembered])

    def lookup(row: DecisionRow) -> Sequence[Any]:
        symbol = row.request.market.symbol_id if same_symbol_first else None
        return memory.search(transform(row.request), k, row.time_utc, symbol)

    return lookup


_SIDES, _PRICES = ("bid", "ask"), ("open", "high", "low", "close")
_COLUMNS = ("start_us", "end_us", *(f"{side}_{name}" for side in _SIDES for name in _PRICES))


def _questions(
    bars: BarSeries,
    features: Floats,
    signals: SignalEvents,
    policy: ExitPolicy,
    instrument: Instrument,
    stride: int | None,
) -> _Questions:
    atr = wilder_atr(bars, policy.atr_period)
    ready = np.isfinite(features).any(axis=1) & np.isfinite(atr) & (atr > 0)
    kept = ready[signals.bar]
    own = [
        np.asarray(v, np.float64) if v is not None else np.full(len(kept), np.nan)
        for v in (signals.stop, signals.target)
    ]
    others = _other_bars(ready, signals.bar, stride)
    bar = np.concatenate([signals.bar[kept], others, others]).astype(np.int64)
    side = np.concatenate([signals.side[kept], np.ones_like(others), -np.ones_like(others)]).astype(np.int64)
    unknown = np.full(2 * len(others), np.nan)
    usual = float(np.median(signals.confidence[kept])) if kept.any() else 0.5
    confidence = np.concatenate([signals.confidence[kept], np.full(2 * len(others), usual)])
    stop, target = (np.concatenate([values[kept], unknown]) for values in own)
    stop, target = _levels(bars, atr, bar, side, stop, target, policy, instrument.tick_size)
    count = int(kept.sum())
    return _Questions(bar, side, confidence, stop, target, np.arange(len(bar)) < count)


def _other_bars(ready: NDArray[np.bool_], taken: Ints, stride: int | None) -> Ints:
    free = ready.copy()
    free[taken] = False
    places = np.flatnonzero(free).astype(np.int64)
    if stride is None:
        stride = max(1, len(places) // max(1, 2 * len(taken)))
    return places[::stride] if stride else places[:0]


def _levels(
    bars: BarSeries,
    atr: Floats,
    bar: Ints,
    side: Ints,
    stop: Floats,
    target: Floats,
    policy: ExitPolicy,
    tick_size: float,
) -> tuple[Floats, Floats]:
    """Fill in stops and targets by the policy, rounded as orders are."""
    price = (bars.bid_close[bar] + bars.ask_close[bar]) / 2
    planned = price - side * policy.stop_atr * atr[bar]
    stop = np.where(np.isnan(stop), [round_to_increment(float(v), tick_size) for v in planned], stop)
    if policy.target_atr is not None:
        wanted = price + side * policy.target_atr * atr[bar]
        target = np.where(np.isnan(target), [round_to_increment(float(v), tick_size) for v in wanted], target)
    return stop, target


def _row(
    place: int,
    bars: BarSeries,
    features: Floats,
    names: Sequence[str],
    questions: _Questions,
    outcomes: BatchOutcomes,
    instrument: Instrument,
    timeout: timedelta | None,
) -> DecisionRow:
    bar, side = int(questions.bar[place]), int(questions.side[place])
    action = Action.BUY if side > 0 else Action.SELL
    time, closed = _time(bars.end_us[bar]), _time(outcomes.closed_us[place])
    bid, ask = float(bars.bid_close[bar]), float(bars.ask_close[bar])
    known = {name: float(value) for name, value in zip(names, features[bar], strict=True) if math.isfinite(value)}
    signal = Signal(
        instrument.symbol_id, instrument.ticker, time, action, float(questions.confidence[place]), "ensemble"
    )
    market = MarketContext(
        instrument.symbol_id,
        instrument.ticker,
        instrument.market,
        instrument.security_type,
        time,
        instrument.resolution,
        (bid + ask) / 2,
        bid,
        ask,
        known,
        instrument.lot_size,
        instrument.tick_size,
        quote_currency=instrument.quote_currency,
    )
    target = float(questions.target[place])
    plan = ExitPlan(float(questions.stop[place]), None if math.isnan(target) else target, timeout)
    is_signal = bool(questions.is_signal[place])
    identifier = decision_id(RUN_ID, instrument.symbol_id, time, QuestionKind.ENTRY, 0 if is_signal else 1 + (side < 0))
    account = AccountState(START_EQUITY, START_EQUITY, START_EQUITY, START_EQUITY)
    request = DecisionRequest(
        identifier, RUN_ID, QuestionKind.ENTRY, 0, signal, market, PositionState(), account, (action, Action.HOLD), plan
    )
    net = float(outcomes.r_multiple[place])
    outcome = _outcome(place, request, outcomes, time, closed) if is_signal else None
    return DecisionRow(request, net, closed, is_signal, outcome)


def _outcome(
    place: int, request: DecisionRequest, outcomes: BatchOutcomes, opened: datetime, closed: datetime
) -> Outcome:
    return Outcome(
        decision_id=request.decision_id,
        run_id=request.run_id,
        symbol_id=request.signal.symbol_id,
        action=request.signal.action,
        kind=OutcomeKind.REPLAY,
        taken=False,
        opened_utc=opened,
        closed_utc=closed,
        entry_price=float(outcomes.entry_price[place]),
        exit_price=float(outcomes.exit_price[place]),
        quantity=float(request.signal.action.side),
        pnl=float(outcomes.pnl[place]),
        return_fraction=float(outcomes.return_fraction[place]),
        r_multiple=float(outcomes.r_multiple[place]),
        volatility_adjusted_return=math.nan,
        bars_held=int(outcomes.bars_held[place]),
        mae_r=float(outcomes.mae_r[place]),
        mfe_r=float(outcomes.mfe_r[place]),
        cost_r=float(outcomes.cost_r[place]),
        exit_reason=REASONS[int(outcomes.reason[place])],
    )


def _with_accounts(rows: list[DecisionRow]) -> list[DecisionRow]:
    """Give each question an account in a random state.

    The drawdown of a simulated account drifts with the date, and a model would learn the date from it.
    """
    rng = np.random.default_rng(0)
    result = []
    for row in rows:
        peak = START_EQUITY * (1 + float(rng.random()))
        equity = peak * (1 - MAX_DRAWDOWN * float(rng.beta(1, 3)))
        account = AccountState(equity, peak, equity, START_EQUITY)
        result.append(replace(row, request=replace(row.request, account=account)))
    return result


def _time(microseconds: Any) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds))
