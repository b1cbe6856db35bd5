"""Small panels whose values can be worked out on paper, and larger random ones."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from llm_plugin.alphas.operators import Floats
from llm_plugin.alphas.panel import Panel, panel_of

NAMES = ("A", "B", "C")
GROUPS = {"A": ("X", "X1", "X1a"), "B": ("X", "X1", "X1b"), "C": ("Y", "Y1", "Y1a")}


def _table(*columns: list[float]) -> Floats:
    return np.array(columns, dtype=np.float64).T


def paper_panel() -> Panel:
    """Five days of three names; C stands still."""
    close = _table([1, 2, 4, 4, 8], [10, 8, 8, 12, 6], [5, 5, 5, 5, 5])
    prices = {
        "open": close + 1,
        "high": close + 3,
        "low": close - 1,
        "close": close,
        "volume": _table([1, 2, 3, 4, 5], [6, 6, 6, 9, 6], [2, 4, 6, 8, 10]),
    }
    return panel_of([date(2020, 1, 6) + timedelta(days=day) for day in range(5)], NAMES, prices, GROUPS)


def random_panel(days: int = 300, names: int = 12, seed: int = 0) -> Panel:
    """Seeded random walks in cents with gaps: one name starts late, one misses a day, one stands still for a while."""
    rng = np.random.default_rng(seed)
    close = np.round(40 * np.exp(np.cumsum(0.02 * rng.standard_normal((days, names)), axis=0)), 2)
    close[50:58, 3] = close[50, 3]
    opened = np.round(close * np.exp(0.005 * rng.standard_normal(close.shape)), 2)
    reach = np.round(np.abs(rng.standard_normal((2, days, names))), 2)
    prices = {
        "open": opened,
        "high": np.maximum(opened, close) + reach[0],
        "low": np.maximum(np.minimum(opened, close) - reach[1], 0.01),
        "close": close,
        "volume": np.floor(1e6 * np.exp(rng.standard_normal(close.shape))),
    }
    for values in prices.values():
        values[:20, 1] = np.nan
        values[days // 3, 2] = np.nan
    tickers = [f"N{number:02d}" for number in range(names)]
    groups = {name: (f"S{place % 2}", f"I{place % 3}", f"U{place % 5}") for place, name in enumerate(tickers)}
    return panel_of([date(2019, 1, 1) + timedelta(days=day) for day in range(days)], tickers, prices, groups)
