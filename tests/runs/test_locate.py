"""Projects, data folders and run folders are found where a LEAN user has them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_plugin.data.locate import find_data_folder
from llm_plugin.errors import DataError
from llm_plugin.runs.locate import new_run_folder, project_folder


def _data(folder: Path) -> Path:
    (folder / "market-hours").mkdir(parents=True)
    (folder / "market-hours" / "market-hours-database.json").write_text("{}")
    return folder


def test_a_folder_without_main_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no main\.py"):
        project_folder(tmp_path)
    (tmp_path / "main.py").write_text("")
    assert project_folder(tmp_path / "main.py") == tmp_path.resolve()


def test_the_option_wins_over_environment_and_lean_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    option, env, workspace = _data(tmp_path / "option"), _data(tmp_path / "env"), tmp_path / "work"
    (workspace / "project").mkdir(parents=True)
    _data(workspace / "data")
    (workspace / "lean.json").write_text('{\n // LEAN allows comments\n "data-folder": "data"\n}')
    monkeypatch.delenv("LEAN_DATA_FOLDER", raising=False)
    assert find_data_folder(workspace / "project") == (workspace / "data").resolve()
    monkeypatch.setenv("LEAN_DATA_FOLDER", str(env))
    assert find_data_folder(workspace / "project") == env.resolve()
    assert find_data_folder(workspace / "project", option) == option.resolve()


def test_a_data_folder_without_market_hours_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="market-hours-database"):
        find_data_folder(tmp_path, tmp_path)


def test_nothing_found_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEAN_DATA_FOLDER", raising=False)
    with pytest.raises(DataError, match="--data or LEAN_DATA_FOLDER"):
        find_data_folder(tmp_path)


def test_two_runs_of_one_second_get_two_folders(tmp_path: Path) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    first, second = new_run_folder(tmp_path, now), new_run_folder(tmp_path, now)
    assert first.name == "2026-01-02_03-04-05"
    assert second.name == "2026-01-02_03-04-05_2"
