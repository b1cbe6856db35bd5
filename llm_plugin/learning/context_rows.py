"""Bars without a signal, rendered as decisions ("had the signal fired here"): more to train on, never to judge by.

They come from the market data of the training side's own time and end with it: no price at or after the beginning of
the calibration slice is read. Session and memory are those that the run had at that bar; account and confidence are
those of the last question before it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from llm_plugin.domain import Decision, DecisionRequest, OutcomeKind, QuestionKind, Source, Verdict
from llm_plugin.errors import ConfigError, DataError
from llm_plugin.learning.read import load_matured, load_outcomes, matured_rows
from llm_plugin.learning.types import MaturedDecision, StoredPrompt
from llm_plugin.outcomes._rows import microseconds

if TYPE_CHECKING:
    from llm_plugin.bootstrap.rows import DecisionRow
    from llm_plugin.learning.split import Split
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.prompts import PromptRenderer
    from llm_plugin.settings import Settings

__all__ = ["ContextRows", "MarketContextRows", "context_of"]

WARM_UP_BARS = 2500  # what the slowest feature needs, several times over
LEAD_DECISIONS = 300  # known before the window, so that session and memory are filled when it begins


class ContextRows(Protocol):
    """Gives extra training rows for a window."""

    def rows(self, split: Split) -> list[MaturedDecision]:
        """Return rows with origin `context`, matured when the calibration slice began."""


class MarketContextRows:
    """Context rows from a LEAN data folder, for the symbols that the window asked about."""

    def __init__(
        self,
        data_folder: Path,
        settings: Settings,
        stores: OutcomeStore | Sequence[OutcomeStore],
        *,
        run_ids: Collection[str] | None = None,
    ) -> None:
        """Take what is needed.

        Args:
            data_folder: LEAN's data folder.
            settings: Exits, costs, prompts, session and memory, as in the runs that filled the stores.
            stores: What session and memory of the time are made from.
            run_ids: Only these runs.
        """
        self._data_folder = data_folder
        self._settings = settings
        self._stores = stores
        self._run_ids = run_ids

    def rows(self, split: Split) -> list[MaturedDecision]:
        """Return at most `learning.context_rows` rows, evenly over the training side's time and its symbols.

        None where prompts show features of the user's own, which only the algorithm can compute.

        Raises:
            ConfigError: The prompts of the settings are not those of the window.
            DataError: The market data is missing or damaged.
        """
        wanted = self._settings.learning.context_rows
        if not wanted or self._settings.features.user:
            return []
        by_symbol: dict[str, list[MaturedDecision]] = defaultdict(list)
        for decision in split.train:
            by_symbol[decision.request.market.symbol_id].append(decision)
        past = self._past(split)
        found: list[MaturedDecision] = []
        for _, asked in sorted(by_symbol.items()):
            found += self._symbol_rows(split, asked, wanted // len(by_symbol), past)
        return sorted(found, key=lambda row: (row.time_utc, row.decision_id))

    def _past(self, split: Split) -> _Past:
        from llm_plugin.prompts import PromptRenderer

        renderer = PromptRenderer(self._settings.prompts, self._settings.features.user)
        if renderer.version != split.prompt_version:
            raise ConfigError(
                f"prompts have version {renderer.version}, those of the window {split.prompt_version}: "
                "give the configuration that the runs were made with"
            )
        run_id = split.train[-1].request.run_id
        return _Past(self._settings, renderer, self._stores, run_id, split)

    def _symbol_rows(
        self, split: Split, asked: Sequence[MaturedDecision], wanted: int, past: _Past
    ) -> list[MaturedDecision]:
        bars = self._bars(asked[0].request, split)
        made = _replayed(bars, asked, wanted, self._settings, split.train_start_utc)
        longest = max([decision.matured_utc - decision.time_utc for decision in split.train], default=timedelta(0))
        longest = max([longest, *(row.closed_utc - row.time_utc for row in made)])
        due = [row for row in made if row.time_utc + longest <= split.calibration_start_utc]
        return [past.decision(row, asked, longest) for row in due]

    def _bars(self, request: DecisionRequest, split: Split) -> Any:
        from llm_plugin.data.bars import load_price_bars

        market = request.market
        bars = load_price_bars(
            self._data_folder,
            security_type=market.security_type,
            market=market.market,
            ticker=market.ticker,
            resolution=market.resolution,
            end=split.calibration_start_utc - timedelta(microseconds=1),
        )
        first = max(0, bars.index_at(split.train_start_utc) - WARM_UP_BARS)
        return bars.take(slice(first, None))


def context_of(
    split: Split,
    data_folder: Path | None,
    settings: Settings,
    stores: Sequence[OutcomeStore],
    *,
    run_ids: Collection[str] | None = None,
) -> tuple[Sequence[MaturedDecision], str]:
    """Return a window's context rows, and where they come from or why there are none.

    They only add: where the market data cannot give them, what was decided is learned from without them.
    """
    if data_folder is None or not settings.learning.context_rows:
        return (), "no market data" if data_folder is None else "learning.context_rows is 0"
    try:
        found = MarketContextRows(data_folder, settings, list(stores), run_ids=run_ids).rows(split)
    except DataError as error:
        return (), str(error)
    return found, f"{len(found)} bars of {data_folder}"


class _Past:
    """Session, memory and versions of a run at any moment before the calibration slice."""

    def __init__(
        self,
        settings: Settings,
        renderer: PromptRenderer,
        stores: OutcomeStore | Sequence[OutcomeStore],
        run_id: str,
        split: Split,
    ) -> None:
        from llm_plugin.memory.local import LocalMemory
        from llm_plugin.memory.rebuild import is_remembered, record_of
        from llm_plugin.memory.vector import VectorTransform
        from llm_plugin.validator.build import make_tracker

        self._renderer, self._settings = renderer, settings
        self._schema_version = split.train[-1].schema_version
        self._tracker, self._memory, self._transform = make_tracker(settings), LocalMemory(), VectorTransform()
        known = matured_rows(stores, as_of_utc=split.calibration_start_utc, run_ids=[run_id]).rows
        count = len(split.train) + LEAD_DECISIONS
        decisions = load_matured(stores, known[-count:])
        requests = {decision.decision_id: decision.request for decision in decisions}
        for request in requests.values():
            self._tracker.observe(request)
        kinds = (OutcomeKind.REALISED, OutcomeKind.SHADOW)
        for outcome in load_outcomes(stores, known[-count:], kinds, before_utc=split.calibration_start_utc):
            request = requests[outcome.decision_id]
            self._tracker.record(outcome, request)
            if is_remembered(request, outcome, settings.memory.shadow):
                self._memory.add(record_of(request, outcome, self._transform))

    def decision(self, row: DecisionRow, asked: Sequence[MaturedDecision], longest: timedelta) -> MaturedDecision:
        """Return a replayed bar as the question that it would have been."""
        place = bisect_left(asked, row.time_utc, key=lambda decision: decision.time_utc)
        near = asked[max(0, place - 1)].request
        signal = replace(row.request.signal, confidence=near.signal.confidence, source=near.signal.source)
        market = replace(
            row.request.market,
            lot_size=near.market.lot_size,
            tick_size=near.market.tick_size,
            contract_multiplier=near.market.contract_multiplier,
            quote_currency=near.market.quote_currency,
        )
        request = replace(row.request, signal=signal, market=market, account=near.account)
        prompt = self._prompt(request)
        return MaturedDecision(
            request=request,
            decision=_unanswered(request, prompt),
            prompt=prompt,
            template_version=self._renderer.version,
            schema_version=self._schema_version,
            net_r=row.net_r,
            realised_r=None,
            closed_utc=row.closed_utc,
            matured_utc=row.time_utc + longest,
            origin="context",
        )

    def _prompt(self, request: DecisionRequest) -> StoredPrompt:
        wanted, time = self._settings.memory, request.market.time_utc
        hits: Sequence[Any] = ()
        if wanted.backend != "none":
            symbol = request.market.symbol_id if wanted.same_symbol_first else None
            hits = self._memory.search(self._transform(request), wanted.k, time, symbol)
        tracker = self._tracker
        made = self._renderer.render(request, tracker.statistics(time), hits, tracker.section(time, request))
        return StoredPrompt(made.prefix, made.suffix, made.hash)


def _replayed(
    bars: Any, asked: Sequence[MaturedDecision], wanted: int, settings: Settings, start_utc: datetime
) -> list[DecisionRow]:
    """Return replayed bars without a signal, in both directions, from the start on."""
    from llm_plugin.bootstrap.market_rows import Instrument, SignalEvents, market_rows
    from llm_plugin.features.catalog import market_feature_names
    from llm_plugin.features.reference import market_features
    from llm_plugin.outcomes.costs import Costs
    from llm_plugin.outcomes.exits import ExitPolicy
    from llm_plugin.outcomes.replay_entry import EntryFill

    market = asked[0].request.market
    place = np.searchsorted(bars.end_us, [microseconds(decision.time_utc) for decision in asked])
    on_bar = [i for i, p in enumerate(place) if p < len(bars) and bars.end_us[p] == microseconds(asked[i].time_utc)]
    if not on_bar:
        raise ConfigError(
            f"no question about {market.ticker} was asked at the end of a {market.resolution} bar of the data folder: "
            "give the folder that the runs were made with"
        )
    features = market_features(bars)
    features[: int(np.searchsorted(bars.end_us, microseconds(start_utc)))] = np.nan
    free = int(np.isfinite(features).any(axis=1).sum()) - len(on_bar)
    rows = market_rows(
        bars,
        features,
        market_feature_names(),
        SignalEvents(
            bar=place[on_bar].astype(np.int64),
            side=np.array([asked[i].signal_action.side for i in on_bar], dtype=np.int64),
            confidence=np.array([asked[i].request.signal.confidence for i in on_bar]),
        ),
        Instrument(
            market.symbol_id,
            market.ticker,
            market.market,
            market.security_type,
            market.resolution,
            market.tick_size,
            market.lot_size,
            market.quote_currency,
        ),
        policy=ExitPolicy.from_mapping(settings.outcomes.exit.model_dump()),
        costs=Costs(slippage_bps=settings.outcomes.slippage_bps),
        fill=EntryFill.NEXT_OPEN
        if (market.resolution, market.security_type) == ("daily", "equity")
        else EntryFill.QUOTE,
        context_stride=max(1, -(-2 * free // max(1, wanted))),
    )
    return [row for row in rows if not row.is_signal]


def _unanswered(request: DecisionRequest, prompt: StoredPrompt) -> Decision:
    """Nobody answered it; the signal's side is kept, so that the row looks like any other question."""
    return Decision(
        decision_id=request.decision_id,
        run_id=request.run_id,
        kind=QuestionKind.ENTRY,
        symbol_id=request.market.symbol_id,
        time_utc=request.market.time_utc,
        verdict=Verdict.APPROVE,
        action=request.signal.action,
        size_multiplier=1.0,
        confidence=request.signal.confidence,
        source=Source.RULE,
        signal_action=request.signal.action,
        signal_confidence=request.signal.confidence,
        prompt_hash=prompt.hash,
    )
