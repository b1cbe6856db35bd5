"""A planted market in two parts: decisions to train on, and questions as a live run would ask them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_plugin.bootstrap.market_rows import Instrument, SignalEvents, market_rows
from llm_plugin.data.bars import PriceBars, load_price_bars
from llm_plugin.data.planted import PlantedEvent, planted_signal
from llm_plugin.data.synth import SynthConfig, SynthManifest, write_market
from llm_plugin.domain import (
    AccountState,
    Action,
    DecisionRequest,
    MarketContext,
    PositionState,
    QuestionKind,
    Signal,
    decision_id,
)
from llm_plugin.outcomes.exits import ExitPolicy

if TYPE_CHECKING:
    from llm_plugin.bootstrap.rows import DecisionRow
    from llm_plugin.proofs.planted_config import ProofConfig, Variant

__all__ = ["PlantedMarket", "Question", "make_market", "plant_market", "questions_on", "trading_days", "training_rows"]

RUN_ID = "proof"
START_EQUITY = 100_000.0


@dataclass(frozen=True, slots=True)
class Question:
    """One signal of the second part.

    Attributes:
        bar: Index of the bar at whose end it is asked.
        request: The question; the account is filled in by whoever asks.
        context: Whether the bars show the context that the rule calls good.
    """

    bar: int
    request: DecisionRequest
    context: bool


@dataclass(frozen=True)
class PlantedMarket:
    """A market on disk and in memory; `half` is the index of the first bar of the second part."""

    manifest: SynthManifest
    bars: PriceBars
    half: int
    instrument: Instrument
    policy: ExitPolicy
    confidence: float

    @property
    def cutoff_utc(self) -> datetime:
        """When the last bar of the first part ended: training knows nothing later."""
        return self.bars.bar(self.half - 1).end_utc

    @property
    def overrides(self) -> tuple[str, ...]:
        """The market's exits as settings."""
        policy = self.policy
        return tuple(
            f"outcomes.exit.{name}={getattr(policy, name)}" for name in ("stop_atr", "target_atr", "timeout_bars")
        )


def make_market(folder: Path, config: ProofConfig, variant: Variant, seed: int) -> PlantedMarket:
    """Write the market of a cell and read it back as a run would.

    Raises:
        DataError: The folder is in use.
    """
    synth = SynthConfig(seed=seed, bars=config.bars, context=config.context, profile=variant.profile, rule=variant.rule)
    return plant_market(folder, synth, config.bars // 2, config.signal_confidence)


def plant_market(folder: Path, synth: SynthConfig, first_part_bars: int, confidence: float) -> PlantedMarket:
    """Write a synthetic market and read it back as a run would.

    Args:
        folder: A new or empty folder.
        synth: The market.
        first_part_bars: Bars that training may know.
        confidence: Confidence of the planted signal.

    Raises:
        DataError: The folder is in use.
    """
    from llm_plugin.engine.base.enums import SecurityType
    from llm_plugin.engine.market.symbols import Symbol

    manifest = write_market(folder, synth)
    ticker = synth.lean_ticker.upper()
    symbol = Symbol.create(ticker, SecurityType[synth.security_type.upper()], synth.lean_market)
    instrument = Instrument(
        symbol_id=symbol.sid,
        ticker=ticker,
        market=synth.lean_market,
        security_type=synth.security_type,
        resolution=synth.resolution,
        tick_size=synth.price_increment,
    )
    bars = load_price_bars(
        folder,
        security_type=synth.security_type,
        market=synth.lean_market,
        ticker=synth.lean_ticker,
        resolution=synth.resolution,
    )
    return PlantedMarket(manifest, bars, first_part_bars, instrument, _exits(manifest), confidence)


def training_rows(market: PlantedMarket) -> list[DecisionRow]:
    """Return signals and other bars of the first part as decisions, replayed within it: nothing later exists here."""
    first: Any = market.bars.take(slice(0, market.half))
    table, names = _features(first)
    events = planted_signal(first, market.manifest.planted_rule)
    signals = SignalEvents(
        bar=np.array([event.index for event in events], dtype=np.int64),
        side=np.array([event.side for event in events], dtype=np.int64),
        confidence=np.full(len(events), market.confidence),
        stop=np.array([event.exit.stop for event in events]),
        target=np.array([event.exit.target for event in events], dtype=np.float64),
    )
    return market_rows(first, table, names, signals, market.instrument, policy=market.policy)


def questions_on(market: PlantedMarket, bars: PriceBars | None = None) -> list[Question]:
    """Return the questions of the second part, as far as these bars reach.

    Args:
        market: The market.
        bars: Its bars from the first on; None takes all. Signals and features are computed from these alone.
    """
    bars = market.bars if bars is None else bars
    table, names = _features(bars)
    events = [event for event in planted_signal(bars, market.manifest.planted_rule) if event.index >= market.half]
    return [_question(market, bars, event, dict(zip(names, table[event.index], strict=True))) for event in events]


def _question(market: PlantedMarket, bars: PriceBars, event: PlantedEvent, features: dict[str, Any]) -> Question:
    instrument, bar = market.instrument, bars.bar(event.index)
    known = {name: float(value) for name, value in features.items() if np.isfinite(value)}
    context = MarketContext(
        instrument.symbol_id,
        instrument.ticker,
        instrument.market,
        instrument.security_type,
        bar.end_utc,
        instrument.resolution,
        bar.close,
        bar.bid_close,
        bar.ask_close,
        known,
        instrument.lot_size,
        instrument.tick_size,
        quote_currency=instrument.quote_currency,
    )
    request = DecisionRequest(
        decision_id=decision_id(RUN_ID, instrument.symbol_id, bar.end_utc, QuestionKind.ENTRY, 0),
        run_id=RUN_ID,
        kind=QuestionKind.ENTRY,
        sequence=0,
        signal=Signal(instrument.symbol_id, instrument.ticker, bar.end_utc, event.action, market.confidence, "planted"),
        market=context,
        position=PositionState(),
        account=AccountState(START_EQUITY, START_EQUITY, START_EQUITY, START_EQUITY),
        legal=(event.action, Action.HOLD),
        exit=event.exit,
    )
    return Question(event.index, request, event.context)


def _features(bars: PriceBars) -> tuple[Any, tuple[str, ...]]:
    from llm_plugin.features.catalog import market_feature_names
    from llm_plugin.features.reference import market_features

    return market_features(bars), tuple(market_feature_names())


def _exits(manifest: SynthManifest) -> ExitPolicy:
    plan = manifest.content["exit"]
    return ExitPolicy(
        stop_atr=float(plan["stop_atr"]), target_atr=float(plan["target_atr"]), timeout_bars=int(plan["timeout_bars"])
    )


def trading_days(bars: PriceBars, start: int) -> list[str]:
    """Return the UTC dates on which bars from `start` on end, in order."""
    days = np.unique(bars.end_us[start:] // 86_400_000_000)
    return [f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=int(day)):%Y-%m-%d}" for day in days]
