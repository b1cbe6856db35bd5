"""How many examples the dataset of strategies has, all executed, and how many are near-duplicates across splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from llm_plugin.strategies.curate import check_dataset

ROOT = Path(__file__).resolve().parents[2]


def test_dataset_of_strategies(record_figure: Callable[..., None]) -> None:
    found = check_dataset(ROOT / "datasets" / "strategies", ROOT / "datasets" / "strategy_tasks")
    record_figure("dataset_examples", found.rows - len(found.not_executed), "examples", 1500, "higher")
    record_figure("dataset_near_duplicates_across_splits", found.near_duplicate_fraction, "fraction", 0.01, "lower")
    assert found.problems == []
