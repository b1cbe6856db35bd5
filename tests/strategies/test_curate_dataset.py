"""The dataset of this checkout: enough rows, all executed, splits apart, and the command that says so."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from curate_fakes import DIP, program, row
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.errors import DataError
from llm_plugin.strategies.curate.check import check_dataset
from llm_plugin.strategies.curate.report import card_table
from llm_plugin.strategies.curate.rows import Row, read_rows, write_rows
from llm_plugin.strategies.requirements import Requirements

DATASET = Path(__file__).parents[2] / "datasets" / "strategies"
TASKS = Path(__file__).parents[2] / "datasets" / "strategy_tasks"
OURS = ("patterns.jsonl.gz", "alphas.jsonl.gz")


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [each for name in OURS for each in read_rows(DATASET / name)]


def test_there_are_enough_examples_of_enough_families(rows: list[Row]) -> None:
    families = Counter(each.family for each in rows)
    assert len(rows) >= 1500
    assert len(families) >= 12
    assert min(families.values()) >= 80
    assert families["formulaic_alphas"] == 101
    assert len({each.sha256 for each in rows}) == len(rows)


def test_every_requirement_can_be_checked_by_a_machine(rows: list[Row]) -> None:
    checked = [Requirements.from_json(each.requirements) for each in rows if each.requirements is not None]
    assert len(checked) >= 1300


def test_it_is_what_its_card_says() -> None:
    found = check_dataset(DATASET, TASKS)
    assert found.problems == []
    assert found.near_duplicate_fraction <= 0.01
    record = json.loads((DATASET / "curation.json").read_text())
    assert card_table(record) in (DATASET / "README.md").read_text()


def test_check_tells_a_script_by_its_exit_code(tmp_path: Path) -> None:
    write_rows([row("a", program(DIP))], tmp_path / "rows.jsonl.gz")
    runner = CliRunner()
    good = runner.invoke(app, ["curate", "check", "--dataset", str(tmp_path), "--json"])
    assert good.exit_code == 0
    assert json.loads(good.stdout)["problems"] == []
    write_rows([row("b", program(DIP), split="test")], tmp_path / "more.jsonl.gz")
    bad = runner.invoke(app, ["curate", "check", "--dataset", str(tmp_path)])
    assert isinstance(bad.exception, DataError)
    assert "near-duplicate in another split" in str(bad.exception)
