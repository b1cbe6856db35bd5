"""`init`, `config`, `vendor`, `doctor`, and what every command does with errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.errors import ConfigError

runner = CliRunner()


def lean_llm(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the real program."""
    command = [sys.executable, "-c", "from llm_plugin.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("template", ["ensemble", "framework", "classic"])
def test_init_writes_a_project_whose_configuration_is_valid(tmp_path: Path, template: str) -> None:
    project = tmp_path / "mine"
    result = runner.invoke(app, ["init", str(project), "--template", template])
    assert result.exit_code == 0, result.output
    assert {p.name for p in project.iterdir()} >= {"main.py", "config.json", "requirements.txt", "llm_config.yaml"}
    resolved = json.loads((project / "llm_config.resolved.json").read_text())
    assert resolved["source"] == "llm_config.yaml"
    assert set(resolved["origins"].values()) <= {"default", "file"}
    compile((project / "main.py").read_text(), "main.py", "exec")


def test_init_never_writes_into_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = runner.invoke(app, ["init", str(tmp_path)])
    assert isinstance(result.exception, ConfigError)
    assert "is not empty" in str(result.exception)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_an_unknown_template_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    result = runner.invoke(app, ["init", str(tmp_path / "x"), "--template", "clasic"])
    assert "did you mean 'classic'?" in str(result.exception)


def test_config_show_tells_the_origin_of_every_value(tmp_path: Path) -> None:
    runner.invoke(app, ["init", str(tmp_path / "p")])
    result = runner.invoke(app, ["config", "show", str(tmp_path / "p"), "--set", "memory.k=5", "--json"])
    shown = json.loads(result.output)
    assert shown["values"]["memory"]["k"] == 5
    assert shown["origins"]["memory.k"] == "cli"
    assert shown["origins"]["signals.kind"] == "file"
    assert shown["origins"]["risk.max_consecutive_losses"] == "default"


def test_every_problem_of_a_configuration_is_listed_and_the_exit_code_is_two(tmp_path: Path) -> None:
    (tmp_path / "llm_config.yaml").write_text("memroy: {k: 3}\nfusion: {llm_weight: 7}\n")
    result = lean_llm("config", "show", cwd=tmp_path)
    assert result.returncode == 2
    assert "memroy" in result.stderr
    assert "memory" in result.stderr
    assert "llm_weight" in result.stderr


def test_vendor_and_doctor_see_a_stale_copy(tmp_path: Path) -> None:
    project = tmp_path / "p"
    runner.invoke(app, ["init", str(project)])
    result = runner.invoke(app, ["vendor", str(project), "--json"])
    assert result.exit_code == 0, result.output
    assert "domain.py" in json.loads(result.output)["files"]
    (project / "llm_plugin" / "domain.py").write_text("# edited\n")
    findings = json.loads(runner.invoke(app, ["doctor", str(project), "--json"]).output)
    broken = [f for f in findings if f["what"] == "vendored copy"]
    assert broken
    assert all(f["state"] == "broken" and "lean-llm vendor" in f["remedy"] for f in broken)


def test_doctor_finds_a_resolved_configuration_that_is_older_than_its_yaml(tmp_path: Path) -> None:
    project = tmp_path / "p"
    runner.invoke(app, ["init", str(project)])
    clean = json.loads(runner.invoke(app, ["doctor", str(project), "--json"]).output)
    assert next(f for f in clean if f["what"] == "configuration")["state"] == "ok"
    with (project / "llm_config.yaml").open("a") as stream:
        stream.write("memory: {k: 4}\n")
    stale = json.loads(runner.invoke(app, ["doctor", str(project), "--json"]).output)
    found = next(f for f in stale if f["what"] == "configuration")
    assert found["state"] == "broken"
    assert "older than the YAML" in found["found"]


def test_a_folder_without_main_ends_with_the_data_exit_code(tmp_path: Path) -> None:
    folder = tmp_path / ("long-name-" * 14)
    folder.mkdir()
    result = lean_llm("backtest", str(folder), cwd=tmp_path)
    assert result.returncode == 3
    assert f"{folder} is no LEAN project: it has no main.py" in result.stderr  # whole, where no terminal is as wide
    assert "Traceback" not in result.stderr


def test_explain_of_an_unknown_decision_says_where_it_looked(tmp_path: Path) -> None:
    result = lean_llm("explain", "0123456789", cwd=tmp_path)
    assert result.returncode == 5
    assert "0123456789" in result.stderr
    assert "--run" in result.stderr


def test_up_of_an_unknown_server_is_refused() -> None:
    result = runner.invoke(app, ["up", "weaviat"])
    assert "did you mean 'weaviate'?" in str(result.exception)
