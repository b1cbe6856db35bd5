"""The ensemble as a signal source: a bar's features in, BUY, SELL or HOLD out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_plugin.domain import Action, MarketContext, Signal
from llm_plugin.errors import ConfigError
from llm_plugin.features.catalog import market_feature_names
from llm_plugin.files import home
from llm_plugin.signals.ensemble import Ensemble
from llm_plugin.signals.manifest import require_cutoff

if TYPE_CHECKING:
    from llm_plugin.settings import Settings

__all__ = ["EnsembleSignalSource", "model_folder"]


def model_folder(name: str) -> Path:
    """Return the folder of an ensemble: a path to one, else `models/ensemble/<name>` under `LEAN_LLM_HOME`."""
    path = Path(name).expanduser()
    if path.is_absolute() or len(path.parts) > 1:
        return path
    return home() / "models" / "ensemble" / name


class EnsembleSignalSource:
    """Signals where the better side's calibrated probability reaches the threshold.

    Args:
        ensemble: The loaded model.
        threshold: Least probability; None takes the model's own, chosen on its out-of-fold predictions.
    """

    def __init__(self, ensemble: Ensemble, threshold: float | None = None) -> None:
        self.ensemble = ensemble
        self.threshold = ensemble.manifest.threshold if threshold is None else threshold
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"signals.threshold is {self.threshold}; it must be from 0 to 1")
        self._names = market_feature_names()
        self._source = f"ensemble:{ensemble.manifest.name}:{ensemble.manifest.version}"

    @classmethod
    def from_settings(cls, settings: Settings) -> EnsembleSignalSource:
        """Load the model that `signals.model` names.

        Raises:
            ModelError: It is missing or damaged.
        """
        return cls(Ensemble.load(model_folder(settings.signals.model)), settings.signals.threshold)

    @property
    def version(self) -> str:
        """Version of the model."""
        return self.ensemble.manifest.version

    def require_cutoff(self, run_start: datetime, allow: bool) -> bool:
        """Refuse a run that starts inside the training data; see `manifest.require_cutoff`."""
        return require_cutoff(self.ensemble.manifest, run_start, allow)

    def probabilities(self, market: MarketContext) -> tuple[float, float]:
        """Return (p_long, p_short) at the end of a bar.

        Raises:
            ConfigError: The features are of another resolution than the model's.
        """
        trained = self.ensemble.manifest.resolution
        if market.resolution != trained:
            raise ConfigError(
                f"{market.ticker}: features are {market.resolution}, model {self.ensemble.manifest.name} was trained "
                f"on {trained} bars; set features.resolution to {trained} or train a model for {market.resolution}"
            )
        features: Any = market.features
        vector = np.array([features.get(name, np.nan) for name in self._names], dtype=np.float64)
        return self.ensemble.predict(vector)

    def signal(self, market: MarketContext) -> Signal:
        """Return the signal of a bar; HOLD carries the better side's probability, and 0 while warming up."""
        action, confidence = Action.HOLD, 0.0
        if market.ready:
            p_long, p_short = self.probabilities(market)
            confidence = max(p_long, p_short)
            if confidence >= self.threshold:
                action = Action.BUY if p_long >= p_short else Action.SELL
        return Signal(market.symbol_id, market.ticker, market.time_utc, action, confidence, self._source)
