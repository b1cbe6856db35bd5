"""Markets for the ensemble, one with a rule to find and one without, and settings that train on them in seconds."""

from __future__ import annotations

import numpy as np

from llm_plugin.features.reference import BarColumns
from llm_plugin.signals import EnsembleConfig

HOUR = 3600.0
SMALL = {"trees": 24, "folds": 3, "min_leaf": 20, "sample_stride": 2, "threads": 2}


def market(seed: int, n: int, *, rule: bool) -> BarColumns:
    """Hourly bars; with the rule, prices rise through the London morning and fall through the New York afternoon."""
    rng = np.random.default_rng(seed)
    hour = np.arange(n) % 24
    drift = np.where((hour >= 7) & (hour < 12), 6e-4, np.where((hour >= 15) & (hour < 20), -6e-4, 0.0)) * rule
    moves = rng.standard_normal(n) * 8e-4 + drift
    close = 1.2 * np.exp(np.cumsum(moves))
    opened = np.concatenate([[1.2], close[:-1]])
    high = np.maximum(opened, close) * (1 + rng.exponential(2e-4, n))
    low = np.minimum(opened, close) * (1 - rng.exponential(2e-4, n))
    mid = np.stack([opened, high, low, close], axis=1)
    start = 1_199_145_600.0 + HOUR * np.arange(n)
    return BarColumns(start, start + HOUR, np.hstack([mid - 2e-5, mid + 2e-5]), np.full(n, np.nan))


def small(**changes: object) -> EnsembleConfig:
    return EnsembleConfig(**{**SMALL, **changes})


def candles(rows: list[tuple[float, float, float, float]], spread: float = 0.0) -> BarColumns:
    """Bars from a table of mid open, high, low, close."""
    mid = np.array(rows, dtype=np.float64)
    start = 1_199_145_600.0 + HOUR * np.arange(len(mid))
    return BarColumns(start, start + HOUR, np.hstack([mid - spread / 2, mid + spread / 2]), np.full(len(mid), np.nan))
