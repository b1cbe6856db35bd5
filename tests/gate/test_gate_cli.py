"""`lean-llm gate show`: one decision with all its numbers, or the account of a window."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gate_trials import disagreeing
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.errors import ConfigError, DataError
from llm_plugin.gate import GateDecision, ModelHealth, judge
from llm_plugin.learning.database import LearningDatabase
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.settings import GateSettings


def judged(challenger: str, tried: int, window: str = "w1", seed: int = 0) -> GateDecision:
    trial = disagreeing(np.random.default_rng(seed), gain_r=0.8)
    renamed = [replace(answer, version=challenger) for answer in trial.challenger]
    return judge(
        trial.champion,
        renamed,
        trial.decisions,
        GateSettings(repetitions=199),
        tried=tried,
        window_id=window,
        health=ModelHealth(40, 40),
    )


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, list[GateDecision]]:
    path = tmp_path / "store.sqlite"
    with OutcomeStore(f"sqlite:///{path}"):
        pass
    decisions = [judged("v0001-aaaa", 0), judged("v0002-bbbb", 1), judged("v0003-cccc", 0, "w2")]
    with LearningDatabase(f"sqlite:///{path}") as database:
        for item in decisions:
            database.save_gate(item, window_id=item.window_id, champion=item.champion, challenger=item.challenger)
    return path, decisions


def show(*words: str) -> str:
    result = CliRunner().invoke(app, ["gate", "show", *words], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


def test_the_newest_decision_is_shown_with_every_check(stored: tuple[Path, list[GateDecision]]) -> None:
    path, decisions = stored
    told = show("--store", str(path))
    assert decisions[-1].gate_id in told
    for check in decisions[-1].checks:
        assert check.name in told
    assert "w2" in told


@pytest.mark.parametrize("by", ["id", "version", "beginning"])
def test_a_decision_is_found_by_id_version_and_beginning(stored: tuple[Path, list[GateDecision]], by: str) -> None:
    path, decisions = stored
    name = {"id": decisions[0].gate_id, "version": "v0001-aaaa", "beginning": "v0001"}[by]
    told = json.loads(show(name, "--store", str(path), "--json"))
    assert GateDecision.from_json(told) == decisions[0]


def test_the_account_of_a_window_tells_who_was_tried_at_which_level(stored: tuple[Path, list[GateDecision]]) -> None:
    path, _ = stored
    told = show("--window", "w1", "--store", str(path))
    assert re.search(r"1 │ v0001-aaaa", told)
    assert re.search(r"2 │ v0002-bbbb", told)
    assert "v0003" not in told
    assert "0.0125" in told
    rows = json.loads(show("--window", "w1", "--store", str(path), "--json"))
    assert [row["tried"] for row in rows] == [0, 1]


def test_an_unknown_or_ambiguous_name_is_refused(stored: tuple[Path, list[GateDecision]]) -> None:
    path, _ = stored
    with pytest.raises(DataError, match=r"no gate decision 'v9'"):
        show("v9", "--store", str(path))
    with pytest.raises(DataError, match=r"'v000' is the beginning of 3: v0001-aaaa, v0002-bbbb, v0003-cccc"):
        show("v000", "--store", str(path))
    with pytest.raises(DataError, match=r"no window 'x'"):
        show("--window", "x", "--store", str(path))
    with pytest.raises(ConfigError, match=r"either a decision \(a\) or a --window \(b\)"):
        show("a", "--window", "b", "--store", str(path))


def test_nothing_judged_and_no_store_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no outcome store at .*none\.sqlite"):
        show("--store", str(tmp_path / "none.sqlite"))
    with OutcomeStore(f"sqlite:///{tmp_path / 'empty.sqlite'}"):
        pass
    with pytest.raises(DataError, match="no challenger was judged yet"):
        show("--store", str(tmp_path / "empty.sqlite"))
