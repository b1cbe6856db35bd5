"""The synthetic universe: complete, reproducible, and made as its manifest says."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_plugin.data.bars import load_price_bars
from llm_plugin.data.check import check_folder
from llm_plugin.data.lean_write import file_hashes
from llm_plugin.data.universe import MANIFEST, UniverseConfig, UniverseManifest, write_universe
from llm_plugin.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def universe(tmp_path_factory: pytest.TempPathFactory) -> UniverseManifest:
    return write_universe(tmp_path_factory.mktemp("universe") / "data", UniverseConfig(days=600))


def _table(universe: UniverseManifest, name: str) -> tuple[list[str], np.ndarray]:
    with (universe.folder / "universe" / f"{name}.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["date", *universe.tickers]
    return [row[0] for row in rows[1:]], np.array([[float(value) for value in row[1:]] for row in rows[1:]])


def _closes(universe: UniverseManifest, *, adjusted: bool, names: list[str] | None = None) -> np.ndarray:
    columns = [
        load_price_bars(
            universe.folder, security_type="equity", market="usa", ticker=name, resolution="daily", adjusted=adjusted
        ).close
        for name in names or universe.tickers
    ]
    return np.stack(columns, axis=1)


def test_it_has_a_hundred_equities_and_passes_the_checker(universe: UniverseManifest) -> None:
    assert len(universe.tickers) >= 100
    report = check_folder(universe.folder)
    assert [str(finding) for finding in report.findings if finding.code != "unchecked"] == []
    assert report.rows == 600 * len(universe.tickers)


def test_every_security_has_map_factor_industry_and_cap(universe: UniverseManifest) -> None:
    base = universe.folder / "equity" / "usa"
    with (universe.folder / "universe" / "industries.csv").open(newline="") as stream:
        industries = {row["ticker"]: (row["sector"], row["industry"]) for row in csv.DictReader(stream)}
    assert list(industries) == universe.tickers
    assert len(set(industries.values())) == 12
    for name in universe.tickers:
        assert (base / "map_files" / f"{name.lower()}.csv").read_text().endswith(f"20501231,{name.lower()},Q\n")
        assert (base / "factor_files" / f"{name.lower()}.csv").read_text().endswith("20501231,1,1,0\n")
    _, cap = _table(universe, "market_cap")
    assert cap.shape == (600, len(universe.tickers))
    assert (cap > 0).all()


def test_vwap_lies_inside_the_days_range(universe: UniverseManifest) -> None:
    days, vwap = _table(universe, "vwap")
    _, volume = _table(universe, "volume")
    for column in range(0, len(universe.tickers), 7):
        bars = load_price_bars(
            universe.folder,
            security_type="equity",
            market="usa",
            ticker=universe.tickers[column],
            resolution="daily",
            adjusted=False,
        )
        assert [f"{bar.start_utc:%Y%m%d}" for bar in bars][:5] == days[:5]
        assert (bars.low - 1e-4 <= vwap[:, column]).all()
        assert (vwap[:, column] <= bars.high + 1e-4).all()
        assert bars.volume.tolist() == volume[:, column].tolist()


def test_factor_files_undo_splits_and_dividends(universe: UniverseManifest) -> None:
    raw = np.diff(np.log(_closes(universe, adjusted=False)), axis=0)
    adjusted = np.diff(np.log(_closes(universe, adjusted=True)), axis=0)
    assert (np.abs(raw - adjusted) > 0.002).sum() > 100
    assert np.abs(adjusted).max() < 0.25


def test_splits_are_halves_that_leave_the_market_cap_alone(tmp_path: Path) -> None:
    # A start price near the split level is rare: look over enough securities.
    made = write_universe(tmp_path / "data", UniverseConfig(equities=300, days=60, seed=3))
    factors = made.folder / "equity" / "usa" / "factor_files"
    split = [name for name in made.tickers if ",0.5," in (factors / f"{name.lower()}.csv").read_text()]
    assert split
    _, cap = _table(made, "market_cap")
    steps = np.abs(np.diff(np.log(cap[:, [made.tickers.index(name) for name in split]]), axis=0))
    assert steps.max() < 0.2
    raw = np.diff(np.log(_closes(made, adjusted=False, names=split)), axis=0)
    assert raw.min() < -0.5


def test_returns_are_made_of_the_stated_factors(universe: UniverseManifest) -> None:
    returns = np.diff(np.log(_closes(universe, adjusted=True)), axis=0)
    correlation = np.corrcoef(returns.T)
    industry = np.array(universe.content["industry"])
    same = (industry[:, None] == industry[None, :]) & ~np.eye(len(industry), dtype=bool)
    other = industry[:, None] != industry[None, :]
    assert correlation[same].mean() > correlation[other].mean() + 0.05
    market = returns.mean(axis=1)
    betas = np.array([np.cov(column, market)[0, 1] for column in returns.T]) / market.var()
    assert np.corrcoef(betas, universe.content["beta"])[0, 1] > 0.7


def _own_autocorrelation(manifest: UniverseManifest) -> float:
    returns = np.diff(np.log(_closes(manifest, adjusted=True)), axis=0)
    own = returns - returns.mean(axis=1, keepdims=True)
    return float(np.mean([np.corrcoef(column[1:], column[:-1])[0, 1] for column in own.T]))


def test_the_planted_reversal_is_there_and_can_be_switched_off(tmp_path: Path) -> None:
    strong = write_universe(tmp_path / "strong", UniverseConfig(days=400, equities=40, reversal=0.3))
    none = write_universe(tmp_path / "none", UniverseConfig(days=400, equities=40, reversal=0.0))
    assert _own_autocorrelation(strong) < -0.15
    assert abs(_own_autocorrelation(none)) < 0.03
    assert strong.content["rule"]["own_autocorrelation"] == pytest.approx(-0.3, abs=0.03)


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    config = UniverseConfig(equities=5, days=50, seed=4, start=date(2015, 3, 2))
    first, second = write_universe(tmp_path / "a", config), write_universe(tmp_path / "b", config)
    assert file_hashes(first.folder) == file_hashes(second.folder)
    hashes = file_hashes(first.folder)
    hashes.pop(MANIFEST)
    assert first.files == hashes
    other = write_universe(tmp_path / "c", UniverseConfig(equities=5, days=50, seed=5, start=date(2015, 3, 2)))
    assert other.files != first.files
    assert json.loads((first.folder / MANIFEST).read_text()) == first.content


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"equities": 1}, "equities is 1: give 2 to 2000"),
        ({"reversal": 0.9}, "reversal is 0.9"),
        ({"days": 3}, "days is 3"),
        ({"start": "2010"}, "write dates as YYYY-MM-DD"),
        ({"equitys": 3}, r"did you mean 'equities'"),
    ],
)
def test_impossible_settings_are_named(values: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        UniverseConfig.from_mapping(values)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(DataError, match="is not empty"):
        write_universe(tmp_path)
