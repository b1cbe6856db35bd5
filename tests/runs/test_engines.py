"""Handing a project to a real LEAN: arguments, folder, record, exit codes; a stand-in plays the LEAN CLI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_plugin.errors import ConfigError
from llm_plugin.runs.backtest import BacktestOptions
from llm_plugin.runs.engines import choose_engine, hand_over, local_command
from llm_plugin.runs.project import create_project

STAND_IN = """#!/usr/bin/env python3
import json, os, sys
json.dump({"arguments": sys.argv[1:], "folder": os.getcwd()}, open(os.environ["SEEN"], "w"))
sys.exit(3)
"""


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BacktestOptions:
    workspace = tmp_path / "workspace"
    (workspace / "bin").mkdir(parents=True)
    program = workspace / "bin" / "lean"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen.json"))
    (workspace / "lean.json").write_text("{}")
    create_project(workspace / "mine", "classic")
    record = tmp_path / "run"
    record.mkdir()
    (record / "decisions.jsonl").write_text('{"kind":"signal"}\n')
    output = tmp_path / "out"
    output.mkdir()
    return BacktestOptions(
        workspace / "mine", tmp_path, output, decisions_from=record, parameters={"start": "2014-01-01"}
    )


def test_the_cli_runs_in_its_workspace_with_the_record_inside_the_project(
    options: BacktestOptions, tmp_path: Path
) -> None:
    assert choose_engine("docker") == "docker"
    assert hand_over("docker", options) == 3
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["folder"] == str(options.project.parent)
    assert seen["arguments"][:2] == ["backtest", str(options.project)]
    assert seen["arguments"][-6:] == [
        "--parameter",
        "start",
        "2014-01-01",
        "--parameter",
        "llm-decisions-from",
        "llm_decisions.jsonl",
    ]
    assert (options.project / "llm_decisions.jsonl").is_file()
    assert (options.project / "llm_plugin" / "domain.py").is_file()
    assert (options.project / "llm_config.resolved.json").is_file()


def test_a_model_inside_leans_image_is_refused_with_the_remedy(options: BacktestOptions) -> None:
    plain = BacktestOptions(options.project, options.data_folder, options.output)
    with pytest.raises(ConfigError, match="--decisions-from RUN"):
        hand_over("docker", plain)


def test_the_launcher_gets_the_algorithms_class_and_folders(
    options: BacktestOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAN_LAUNCHER", str(options.output / "QuantConnect.Lean.Launcher.dll"))
    command, folder = local_command(options, {"a": "b"})
    config = json.loads(Path(command[-1]).read_text())
    assert command[:2] == ["dotnet", "QuantConnect.Lean.Launcher.dll"]
    assert folder == options.output
    assert config["algorithm-type-name"] == "ClassicBreakout"
    assert config["parameters"] == {"a": "b"}


def test_an_engine_that_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEAN_LAUNCHER", raising=False)
    with pytest.raises(ConfigError, match="LEAN_LAUNCHER"):
        choose_engine("local")
    with pytest.raises(ConfigError, match="--engine dokcer"):
        choose_engine("dokcer")
