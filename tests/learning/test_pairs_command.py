"""`lean-llm pairs` shows what would be learned, and says what is missing."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from matured_samples import store_series
from questions import START
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.errors import ConfigError, DataError, InsufficientData
from llm_plugin.learning.dataset import read_dataset
from llm_plugin.outcomes.store import OutcomeStore

runner = CliRunner()


def pairs(*arguments: str | Path) -> Any:
    return runner.invoke(app, ["pairs", *map(str, arguments)])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    draw = random.Random(1)
    with OutcomeStore(str(folder / "store.sqlite"), "group") as store:
        store_series(store, [draw.choice([1.4, -1.0, 0.05]) for _ in range(400)])
    return folder


def test_counts_left_out_and_examples_are_shown(run: Path) -> None:
    result = pairs("--store", run, "--examples", "2")
    assert result.exit_code == 0, result.output
    assert "401 matured" not in result.stdout
    assert "400 matured decisions" in result.stdout
    assert "holdout window" in result.stdout
    assert "noise_band" in result.stdout
    assert result.stdout.count("chosen:") == 2


def test_json_and_dataset_agree(run: Path, tmp_path: Path) -> None:
    result = pairs("--store", run / "store.sqlite", "--out", tmp_path / "set", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    manifest = read_dataset(tmp_path / "set").manifest
    assert shown["counts"] == manifest.counts
    assert shown["left_out"] == manifest.left_out
    assert shown["window_id"] == manifest.window_id
    assert shown["counts"]["holdout"] == 100
    assert len(shown["examples"]) == 3


def test_nothing_later_than_as_of_is_known(run: Path) -> None:
    as_of = (START + timedelta(hours=300)).isoformat()
    shown = json.loads(pairs("--store", run, "--as-of", as_of, "--json").stdout)
    assert shown["matured"] == 276
    assert shown["ranges"]["holdout"][1] <= as_of.replace("+00:00", "Z")


def test_too_few_decisions_are_shown_before_the_error(run: Path) -> None:
    result = pairs("--store", run, "--as-of", "2014-03-06", "--json")
    assert isinstance(result.exception, InsufficientData)
    shown = json.loads(result.stdout)
    assert (shown["matured"], shown["left_out"]["window"]) == (48, {"end_of_data": 1, "young": 23})
    assert "48 matured and replayed decisions are known, 150 are needed" in shown["missing"]


def test_store_that_is_not_there_is_named_and_not_made(tmp_path: Path) -> None:
    result = pairs("--store", tmp_path / "gone.sqlite")
    assert isinstance(result.exception, DataError)
    assert f"no outcome store at {tmp_path / 'gone.sqlite'}" in str(result.exception)
    assert not (tmp_path / "gone.sqlite").exists()


def test_without_a_store_the_services_is_meant(own_home: Path) -> None:
    result = pairs()
    assert f"no outcome store at {own_home / 'service' / 'store.sqlite'}" in str(result.exception)


def test_time_that_is_none_is_refused(run: Path) -> None:
    result = pairs("--store", run, "--as-of", "yesterday")
    assert isinstance(result.exception, ConfigError)
    assert "--as-of 'yesterday' is no time" in str(result.exception)
