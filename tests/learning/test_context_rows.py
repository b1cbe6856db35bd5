"""Bars without a signal train as decisions of their own time, and know nothing later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from llm_plugin.errors import ConfigError
from llm_plugin.learning.context_rows import ContextRows, MarketContextRows
from llm_plugin.learning.pairs import build_pairs, training_rows
from llm_plugin.learning.split import Split, read_window
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.proofs.planted_cell import proof_settings
from llm_plugin.proofs.planted_config import VARIANTS, ProofConfig
from llm_plugin.proofs.planted_market import PlantedMarket, make_market, questions_on
from llm_plugin.proofs.walk import walk
from llm_plugin.reasoning.fake import FakeModel
from llm_plugin.settings import Settings
from llm_plugin.validator import Validator

SMALL = ("learning.holdout=20", "learning.context_rows=60", "memory.backend=local")


@dataclass(frozen=True)
class Live:
    """A run on a planted market, and the window that was learned from afterwards."""

    market: PlantedMarket
    folder: Path
    settings: Settings
    store: OutcomeStore
    split: Split


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    config = ProofConfig(bars=5_000)
    market = make_market(folder / "data", config, VARIANTS["balanced"], 3)
    settings = proof_settings(market, config, SMALL)
    with OutcomeStore(str(folder / "store.sqlite"), "group") as store:
        validator = Validator.from_settings(settings, "proof", store=store, model=FakeModel(), run_folder=folder)
        walk(
            validator,
            questions_on(market),
            market.bars,
            policy=market.policy,
            tick_size=market.instrument.tick_size,
        )
        validator.close()
        last = market.bars.bar(-1).end_utc
        split = read_window(store, settings.learning, as_of_utc=last + timedelta(hours=1))
        yield Live(market, folder / "data", settings, store, split)


def test_rows_lie_in_the_training_time_and_have_matured(live: Live) -> None:
    provider: ContextRows = MarketContextRows(live.folder, live.settings, live.store)
    rows = provider.rows(live.split)
    assert 30 <= len(rows) <= 60
    asked = {decision.time_utc for decision in live.split.train}
    for row in rows:
        assert row.origin == "context"
        assert live.split.train_start_utc <= row.time_utc
        assert row.matured_utc <= live.split.calibration_start_utc
        assert row.closed_utc <= row.matured_utc
        assert row.time_utc not in asked
    assert {row.signal_action.value for row in rows} == {"BUY", "SELL"}
    trained = training_rows(live.split, live.settings.learning, rows)
    pairs = build_pairs(trained, live.settings.learning)
    assert sum(row.origin == "context" for row in pairs.rows) > 20


def test_row_reads_like_a_question_of_the_run(live: Live) -> None:
    rows = MarketContextRows(live.folder, live.settings, live.store).rows(live.split)
    real = live.split.train[-1].prompt
    assert real is not None
    texts = [row.prompt.text for row in rows if row.prompt is not None]
    assert len(texts) == len(rows)
    head = live.split.train[-1].prompt.text.splitlines()[0] if real else ""
    assert all(text.splitlines()[0] == head for text in texts)
    later = [row for row in rows if row.time_utc > live.split.train[len(live.split.train) // 2].time_utc]
    assert any(row.prompt.text.count(" R") or "wins" in row.prompt.text for row in later if row.prompt)
    assert all(row.template_version == live.split.prompt_version for row in rows)


def test_prices_after_the_cutoff_change_nothing(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_plugin.data import bars as loader

    honest = MarketContextRows(live.folder, live.settings, live.store).rows(live.split)
    original = loader.load_price_bars
    cutoff = live.split.calibration_start_utc

    def other_future(*args: object, **kwargs: object) -> object:
        end = kwargs.pop("end")
        every = original(*args, **kwargs)  # type: ignore[arg-type]
        later = every.end_us >= int(cutoff.timestamp() * 1e6)
        changed = {
            name: np.where(later, getattr(every, name) * 1.5, getattr(every, name))
            for name in ("bid_open", "bid_high", "bid_low", "bid_close", "ask_open", "ask_high", "ask_low", "ask_close")
        }
        return replace(every, **changed).between(None, end)  # type: ignore[arg-type]

    monkeypatch.setattr(loader, "load_price_bars", other_future)
    assert MarketContextRows(live.folder, live.settings, live.store).rows(live.split) == honest


def test_result_is_that_of_the_replayed_path(live: Live) -> None:
    """The same entry, followed bar by bar as in a run, ends with the same net R."""
    from llm_plugin.outcomes.costs import Costs
    from llm_plugin.outcomes.replay import ReplayTrade
    from llm_plugin.outcomes.replay_entry import EntryFill, ReplayEntry

    rows = MarketContextRows(live.folder, live.settings, live.store).rows(live.split)
    bars = live.market.bars
    for row in rows[::7]:
        assert row.request.exit is not None
        entry = ReplayEntry.from_request(row.request, quantity=1.0, fill=EntryFill.QUOTE)
        costs = Costs(slippage_bps=live.settings.outcomes.slippage_bps)
        trade = ReplayTrade(entry, row.request.exit, live.market.policy, costs)
        index = bars.index_at(row.time_utc) + 1
        while not trade.closed:
            trade.update(bars.bar(index), True)
            index += 1
        assert trade.outcome().r_multiple == pytest.approx(row.net_r, abs=1e-9)


def test_other_prompts_than_the_windows_are_refused(live: Live) -> None:
    settings = live.settings.model_copy(update={"prompts": live.settings.prompts.model_copy(update={"style": "full"})})
    with pytest.raises(ConfigError, match="give the configuration that the runs were made with"):
        MarketContextRows(live.folder, settings, live.store).rows(live.split)


def test_none_are_wanted_and_none_come(live: Live) -> None:
    learning = live.settings.learning.model_copy(update={"context_rows": 0})
    settings = live.settings.model_copy(update={"learning": learning})
    assert MarketContextRows(live.folder, settings, live.store).rows(live.split) == []
