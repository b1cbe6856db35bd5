"""The models of the quick start: an ensemble from bars, and a bootstrap language model from its out-of-fold signals."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_plugin.errors import ConfigError, ModelError
from llm_plugin.outcomes.exits import ExitPolicy
from llm_plugin.runs.locate import home

if TYPE_CHECKING:
    from llm_plugin.reasoning.model_folder import ModelManifest
    from llm_plugin.settings import Settings
    from llm_plugin.signals.manifest import EnsembleManifest

__all__ = ["RECIPES", "OnStage", "Recipe", "bootstrap_from_ensemble", "recipe_of", "train_signal_model"]

OnStage = Callable[[str, float], None]
LLM_FOLDER = "llm"
ENTRY_TIME_SHARE = 1.9  # entries wanted per longest holding time; more than about 3 cannot be had while flat only


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a model of the quick start is trained on; `cutoff` is the last day that is seen."""

    name: str
    ticker: str
    market: str
    security_type: str
    resolution: str
    start: date
    cutoff: date

    @property
    def cutoff_utc(self) -> datetime:
        """Midnight after the last day."""
        return datetime.combine(self.cutoff + timedelta(days=1), time(), tzinfo=UTC)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("eurusd_hour", "EURUSD", "oanda", "forex", "hour", date(2007, 1, 1), date(2012, 12, 30)),
        Recipe("spy_hour", "SPY", "usa", "equity", "hour", date(1998, 1, 2), date(2012, 12, 30)),
    )
}


def recipe_of(name: str) -> Recipe:
    """Return a shipped recipe.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in RECIPES:
        raise ConfigError(
            f"no model '{name}' under {home() / 'models' / 'ensemble'} and no recipe of that name "
            f"({', '.join(RECIPES)}): train it with `lean-llm train ensemble --name {name} --ticker …`"
        )
    return RECIPES[name]


def train_signal_model(
    recipe: Recipe, settings: Settings, data_folder: Path, on_stage: OnStage, *, out: Path | None = None, seed: int = 7
) -> EnsembleManifest:
    """Train the ensemble of a recipe with the exits and slippage of a configuration."""
    from llm_plugin.signals import EnsembleConfig, model_folder, train_ensemble

    policy = exit_policy(settings)
    config = EnsembleConfig(
        name=recipe.name,
        ticker=recipe.ticker,
        market=recipe.market,
        security_type=recipe.security_type,
        resolution=recipe.resolution,
        exit=policy,
        slippage_bps=settings.outcomes.slippage_bps,
        data_cutoff_utc=recipe.cutoff_utc,
        entries_per_1000_bars=min(30.0, ENTRY_TIME_SHARE * 1000 / (policy.timeout_bars or 1)),
        threads=os.cpu_count() or 1,
        seed=seed,
    )
    folder = out or model_folder(recipe.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return train_ensemble(_bars(recipe, data_folder), config, folder, lambda fraction, text: on_stage(text, fraction))


def bootstrap_from_ensemble(
    ensemble_name: str,
    settings: Settings,
    data_folder: Path,
    on_stage: OnStage,
    *,
    out: Path | None = None,
    seed: int = 0,
) -> ModelManifest:
    """Train the bootstrap language model on the out-of-fold signals of an ensemble, and the tabular model beside it.

    Raises:
        ModelError: The ensemble is missing or damaged.
    """
    from llm_plugin.bootstrap.build import bootstrap_model
    from llm_plugin.bootstrap.config import BootstrapConfig
    from llm_plugin.bootstrap.market_rows import Instrument, market_rows, memory_lookup
    from llm_plugin.engine.base.enums import SecurityType
    from llm_plugin.engine.market.symbols import Symbol
    from llm_plugin.features.catalog import market_feature_names
    from llm_plugin.features.reference import market_features
    from llm_plugin.outcomes.costs import Costs
    from llm_plugin.signals import EnsembleManifest, model_folder

    folder = model_folder(ensemble_name)
    manifest = EnsembleManifest.read(folder)
    trained = manifest.values["config"]
    recipe = Recipe(
        manifest.name,
        trained["ticker"],
        trained["market"],
        trained["security_type"],
        trained["resolution"],
        date(1998, 1, 1),
        (manifest.data_cutoff_utc - timedelta(microseconds=1)).date(),
    )
    on_stage("reading bars", 0.0)
    bars = _bars(recipe, data_folder).between(None, manifest.data_cutoff_utc)
    symbol = Symbol.create(recipe.ticker, SecurityType[recipe.security_type.upper()], recipe.market)
    instrument = Instrument(
        symbol_id=symbol.sid,
        ticker=recipe.ticker,
        market=recipe.market,
        security_type=recipe.security_type,
        resolution=recipe.resolution,
    )
    on_stage("features", 0.0)
    rows = market_rows(
        bars,
        market_features(bars),
        market_feature_names(),
        out_of_fold_signals(folder, manifest, bars),
        instrument,
        policy=exit_policy(settings),
        costs=Costs(slippage_bps=settings.outcomes.slippage_bps),
    )
    target = out or home() / "models" / LLM_FOLDER / "bootstrap"
    _check_space(target)
    return bootstrap_model(
        rows,
        target,
        cutoff_utc=manifest.data_cutoff_utc,
        settings=settings,
        config=BootstrapConfig(name="bootstrap", seed=seed, threads=1, min_approval_fraction=0.5),
        lookup=memory_lookup(rows, settings.memory.k, settings.memory.same_symbol_first),
        facts={"signals": f"{manifest.name} {manifest.version}", "ticker": recipe.ticker, "market": recipe.market},
        on_progress=on_stage,
    )


def out_of_fold_signals(folder: Path, manifest: EnsembleManifest, bars: Any) -> Any:
    """Return the signals that the ensemble's walk-forward folds gave on bars they had not seen, at its threshold."""
    from llm_plugin.bootstrap.market_rows import SignalEvents
    from llm_plugin.signals import OOF_NAME

    with np.load(folder / OOF_NAME, allow_pickle=False) as oof:
        end_us, p_long, p_short = oof["end_us"], oof["p_long"], oof["p_short"]
    confidence = np.maximum(p_long, p_short)
    fired = np.isfinite(confidence) & (confidence >= manifest.threshold)
    place = np.searchsorted(bars.end_us, end_us[fired])
    if len(place) and (place[-1] >= len(bars) or not np.array_equal(bars.end_us[place], end_us[fired])):
        raise ModelError(f"{folder} was trained on other bars than those of the data folder: train it again")
    side = np.where(p_long[fired] >= p_short[fired], 1, -1)
    return SignalEvents(bar=place, side=side, confidence=confidence[fired])


def exit_policy(settings: Settings) -> ExitPolicy:
    """Return the configured default exits."""
    return ExitPolicy.from_mapping(settings.outcomes.exit.model_dump())


def _bars(recipe: Recipe, data_folder: Path) -> Any:
    from llm_plugin.data.bars import load_price_bars

    return load_price_bars(
        data_folder,
        security_type=recipe.security_type,
        market=recipe.market,
        ticker=recipe.ticker,
        resolution=recipe.resolution,
        start=recipe.start,
        end=recipe.cutoff_utc,
    )


def _check_space(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if free < 200 * 2**20:
        raise ModelError(f"{target.parent} has {free / 2**20:.0f} MiB free: a model needs 200, or set LEAN_LLM_HOME")
