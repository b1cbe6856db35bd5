"""The shipped files: formulas, and a classification that fits the market sample and the synthetic universe."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from llm_plugin.alphas import catalogue
from llm_plugin.alphas.catalogue import alphas, dataset_folder
from llm_plugin.alphas.check import REAL_NAMES, UNIVERSE, shipped_classification
from llm_plugin.alphas.plans import plan_of, universe_plan
from llm_plugin.data.universe import MANIFEST, UniverseConfig, write_universe
from llm_plugin.errors import DataError


def test_the_classification_has_the_market_sample_and_the_synthetic_universe(tmp_path: Path, market_data: Path) -> None:
    groups = shipped_classification()
    daily = {path.stem.upper() for path in (market_data / "equity" / "usa" / "map_files").glob("*.csv")}
    assert daily == set(REAL_NAMES) <= groups.keys()
    made = write_universe(tmp_path / "data", UniverseConfig(equities=UNIVERSE.equities, days=30))
    with (made.folder / "universe" / "industries.csv").open(newline="") as stream:
        own = {row["ticker"]: (row["sector"], row["industry"]) for row in csv.DictReader(stream)}
    assert {name: groups[name][:2] for name in own} == own
    assert len(groups) == len(own) + len(daily) == 135
    sizes = {level: len({groups[name][level] for name in own}) for level in range(3)}
    assert sizes == {0: 6, 1: 12, 2: 24}
    assert set(universe_plan(made).tickers) == own.keys()


def test_the_card_says_what_is_there() -> None:
    card = (dataset_folder() / "README.md").read_text(encoding="utf-8")
    assert f"| `classification.csv` | {len(shipped_classification())} |" in card
    assert f"| `formulas.csv` | {len(alphas())} |" in card


def test_a_damaged_file_of_formulas_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "formulas.csv").write_text("alpha,formula\n1,close\n3,open\n")
    monkeypatch.setattr(catalogue, "dataset_folder", lambda: tmp_path)
    alphas.cache_clear()
    try:
        with pytest.raises(DataError, match="must have the alphas 1 to 101 in order: restore it"):
            alphas()
    finally:
        alphas.cache_clear()


@pytest.mark.parametrize("text", ["{}", "[]", "{"])
def test_a_damaged_universe_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(DataError, match=r"write (one|it) with `lean-llm data universe`"):
        plan_of(universe=tmp_path)
