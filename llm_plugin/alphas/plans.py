"""What an alpha shall trade, from a few words."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from llm_plugin.alphas.check import shipped_classification
from llm_plugin.alphas.panel import Classification
from llm_plugin.alphas.source import DEFAULT_TICKERS, AlgorithmPlan
from llm_plugin.data.universe import MANIFEST, UniverseManifest
from llm_plugin.errors import DataError

__all__ = ["plan_of", "universe_plan"]

_START, _END = date(2018, 1, 2), date(2018, 6, 29)
_DAYS = 30  # calendar days that a synthetic universe is traded


def plan_of(
    *,
    tickers: tuple[str, ...] = (),
    universe: Path | None = None,
    classification: Classification | None = None,
    weighting: str = "dollar-neutral",
    rebalance: str = "week",
    start: date | None = None,
    end: date | None = None,
) -> AlgorithmPlan:
    """Return a plan; what is not said comes from the universe's folder, or is half a year of `datasets/market`.

    Raises:
        ConfigError: The plan is impossible.
        DataError: The universe's folder is damaged.
    """
    first, last, names, groups = _START, _END, DEFAULT_TICKERS, classification
    if universe is not None:
        made = _manifest(universe)
        names, groups = tuple(made.tickers), classification or _industries(made)
        last = _day(made.content["last_date"])
        first = last - timedelta(days=_DAYS)
    return AlgorithmPlan(
        start or first, end or last, groups or shipped_classification(), tickers or names, weighting, rebalance
    )


def universe_plan(universe: UniverseManifest) -> AlgorithmPlan:
    """Return the last weeks of a synthetic universe, with all of its names."""
    return plan_of(universe=universe.folder, classification=shipped_classification())


def _day(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:8]))


def _manifest(folder: Path) -> UniverseManifest:
    try:
        content: Any = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / MANIFEST}: {error}; write one with `lean-llm data universe`") from None
    if not isinstance(content, dict) or not {"tickers", "last_date"} <= content.keys():
        raise DataError(f"{folder / MANIFEST} names no tickers and last date: write it with `lean-llm data universe`")
    return UniverseManifest(folder, content)


def _industries(universe: UniverseManifest) -> dict[str, tuple[str, str, str]]:
    """Return the universe's own groups; where the shipped file has a name, its subindustry is known, too."""
    shipped = shipped_classification()
    path = universe.folder / "universe" / "industries.csv"
    try:
        with path.open(newline="", encoding="ascii") as stream:
            rows = list(csv.DictReader(stream))
        own = {row["ticker"]: (row["sector"], row["industry"], row["industry"]) for row in rows}
    except (OSError, KeyError) as error:
        raise DataError(f"{path}: {error!r}; write the universe anew with `lean-llm data universe`") from None
    return {name: shipped.get(name, groups) for name, groups in own.items()}
