"""Random walks as columns, and columns as the bars that an engine takes."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from llm_plugin.domain import PriceBar
from llm_plugin.features.reference import BarColumns

HOUR = 3600.0


def to_price_bars(columns: BarColumns) -> list[PriceBar]:
    return [
        PriceBar(datetime.fromtimestamp(s, UTC), datetime.fromtimestamp(e, UTC), *prices, volume)
        for s, e, prices, volume in zip(
            columns.start_seconds.tolist(),
            columns.end_seconds.tolist(),
            columns.prices.tolist(),
            columns.volume.tolist(),
            strict=True,
        )
    ]


def random_walk(
    seed: int, n: int, *, spread: float = 1e-4, volume: bool = False, flat: float = 0.1, step: float = HOUR
) -> BarColumns:
    """Bars with weekends, bars that do not move, and jumps."""
    rng = np.random.default_rng(seed)
    moves = rng.standard_t(3, n) * 1e-3 * (rng.random(n) > flat)
    close = 1.2 * np.exp(np.cumsum(moves))
    opened = np.concatenate([[1.2], close[:-1]])
    still = moves == 0
    wick = np.where(still, 0.0, rng.exponential(5e-4, n))
    high, low = np.maximum(opened, close) * (1 + wick), np.minimum(opened, close) * (1 - wick)
    mid = np.stack([opened, high, low, close], axis=1)
    start = 1_199_142_000.0 + step * np.arange(n)
    if step == HOUR:
        start = start + 48 * HOUR * (np.arange(n) // 120)  # two days without data after five of trading
    prices = np.hstack([mid - spread / 2, mid + spread / 2])
    traded = rng.integers(0, 5000, n).astype(np.float64) if volume else np.full(n, np.nan)
    return BarColumns(start, start + step, prices, traded)
