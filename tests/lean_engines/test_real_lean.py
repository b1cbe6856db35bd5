"""`lean-llm backtest --engine local|docker`: same options, folder and report; success, crash, kill, Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_plugin.errors import ConfigError, LeanLlmError
from llm_plugin.runs.engines import choose_engine, find_launcher, lean_command, ready_project
from llm_plugin.runs.launcher_config import period_source, read_commented_json
from llm_plugin.runs.worker import WorkerSpec

CLI = "from llm_plugin.cli import main; main()"
QUIET = ("--set", "memory.backend=none")
PLAIN = (*QUIET, "--set", "validator.mode=none", "--no-baseline", "--json")


def backtest(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", CLI, "backtest", str(project), *options]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)


def spec_of(project: Path, folder: Path, data: Path, engine: str, **values: object) -> WorkerSpec:
    folder.mkdir(parents=True, exist_ok=True)
    return WorkerSpec("llm", str(project), str(data), str(folder), str(folder / "config.json"), engine=engine, **values)  # type: ignore[arg-type]


def test_a_launchers_run_has_the_folder_and_the_figures_of_an_embedded_one(
    project: Path, launcher: Path, market_data: Path, tmp_path: Path
) -> None:
    runs = {}
    for engine in ("embedded", "local"):
        done = backtest(
            project, "--engine", engine, "--data", str(market_data), "--output", str(tmp_path / engine), *PLAIN
        )
        assert done.returncode == 0, done.stderr
        runs[engine] = json.loads(done.stdout)
    for name in ("orders_hash", "decisions_hash", "decisions", "approved", "statistics"):
        assert runs["local"][name] == runs["embedded"][name], name
    assert runs["local"]["bars"] == 1234  # what LEAN's own last line says
    files = {name: {path.name for path in Path(run["run_folder"]).iterdir()} for name, run in runs.items()}
    assert files["embedded"] - files["local"] == set()
    compared = subprocess.run(
        [sys.executable, "-c", CLI, "compare", runs["embedded"]["run_folder"], runs["local"]["run_folder"]],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert compared.returncode == 0, compared.stdout
    assert compared.stdout.rstrip().endswith("equal")


def test_the_launchers_configuration_is_its_own_with_this_run_on_top(
    project: Path, launcher: Path, market_data: Path, tmp_path: Path
) -> None:
    spec = spec_of(project, tmp_path / "run", market_data, "local", parameters={"extra": "1"})
    command = lean_command(spec)
    assert command.arguments == [
        "dotnet",
        "QuantConnect.Lean.Launcher.dll",
        "--config",
        str(tmp_path / "run/launcher.json"),
    ]
    assert command.folder == launcher.resolve()
    config = json.loads((tmp_path / "run" / "launcher.json").read_text())
    assert config["environment"] == "backtesting"
    assert config["environments"]["backtesting"]["result-handler"].endswith("BacktestingResultHandler")
    assert config["environments"]["backtesting"]["live-mode"] is False
    assert config["environments"]["live-paper"] == {"live-mode": True}
    assert config["live-data-url"] == "ws://www.quantconnect.com/api/v2/live/data/"
    assert config["map-file-provider"] == "QuantConnect.Data.Auxiliary.LocalDiskMapFileProvider"
    assert (config["algorithm-language"], config["algorithm-type-name"]) == ("Python", "ClassicBreakout")
    assert config["algorithm-location"] == str(project / "main.py")
    assert config["data-folder"] == f"{market_data}/"
    assert config["results-destination-folder"] == str(tmp_path / "run")
    assert config["close-automatically"] is True
    assert config["python-venv"] == sys.prefix
    assert config["parameters"] == {
        "start": "2014-01-01",
        "end": "2014-02-28",
        "extra": "1",
        "llm-run-dir": str(tmp_path / "run"),
        "llm-config": str(tmp_path / "run" / "config.json"),
    }


def test_a_period_of_the_command_line_reaches_lean(project: Path, launcher: Path, market_data: Path) -> None:
    done = backtest(
        project, "--engine", "local", "--data", str(market_data), "--start", "2014-02-03", "--end", "2014-02-14", *PLAIN
    )
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)["run_folder"])
    configuration = json.loads((folder / "ClassicBreakout.json").read_text())["algorithmConfiguration"]
    assert (configuration["startDate"][:10], configuration["endDate"][:10]) == ("2014-02-03", "2014-02-14")


def test_the_old_spelling_of_initialize_is_overridden_in_its_own(tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text("class A(QCAlgorithm):\n    def Initialize(self):\n        pass\n")
    source = period_source(main, "/LeanCLI", "2014-01-01", "")
    assert "def Initialize(self):\n        super().Initialize()\n        self.set_start_date(2014, 1, 1)" in source
    assert "set_end_date" not in source
    with pytest.raises(ConfigError, match="'2014-13-01' is no date"):
        period_source(main, "/LeanCLI", "2014-13-01", "")


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("crash", "exit code 1.*holds no LEAN result JSON.*FileNotFoundException"),
        ("killed", "was killed by SIGKILL"),
        ("silent", "exit code 0.*holds no LEAN result JSON"),
    ],
)
def test_a_lean_that_ends_without_results_is_told_with_the_end_of_its_output(
    project: Path, launcher: Path, market_data: Path, monkeypatch: pytest.MonkeyPatch, mode: str, told: str
) -> None:
    monkeypatch.setenv("STAND_IN", mode)
    done = backtest(project, "--engine", "local", "--data", str(market_data), *PLAIN)
    assert done.returncode == 1
    assert re.search(told, " ".join(done.stderr.split())), done.stderr


def test_an_algorithm_that_raises_inside_lean_ends_as_it_does_here(
    project: Path, launcher: Path, market_data: Path
) -> None:
    source = (project / "main.py").read_text()
    (project / "main.py").write_text(source.replace("        self.llm.on_data(data)\n", "        1 / 0\n"))
    done = backtest(project, "--engine", "local", "--data", str(market_data), *PLAIN)
    assert done.returncode == 8
    assert "ZeroDivisionError" in done.stderr
    assert "lean.log" in done.stderr


@pytest.mark.parametrize("mode", ["slow", "deaf"])
def test_ctrl_c_reaches_lean_and_leaves_no_process_behind(
    project: Path, launcher: Path, market_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("STAND_IN", mode)
    options = ("--engine", "local", "--data", str(market_data), *PLAIN)
    patience = 0.5 if mode == "deaf" else 30.0
    program = f"import llm_plugin.runs.pool as pool; pool.STOP_SECONDS = {patience}; {CLI}"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "backtest", str(project), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "ready").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    if mode == "slow":
        summary = json.loads(out)
        assert (summary["interrupted"], summary["status"]) == (True, "Stopped")
    alive = [item.name for item in Path("/proc").iterdir() if item.name.isdigit() and _is_launcher(item.name, tmp_path)]
    assert not alive


def _is_launcher(pid: str, folder: Path) -> bool:
    try:
        command = Path("/proc", pid, "cmdline").read_bytes().decode(errors="replace")
        state = Path("/proc", pid, "stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return f"{folder}/bin/dotnet" in command and state != "Z"


def test_the_cli_runs_in_its_workspace_with_everything_inside_its_mounts(
    project: Path, lean_cli: Path, seen: object, tmp_path: Path
) -> None:
    record = tmp_path / "recorded"
    embedded = backtest(project, "--output", str(record), *PLAIN)
    assert embedded.returncode == 0, embedded.stderr
    source = json.loads(embedded.stdout)["run_folder"]
    done = backtest(project, "--engine", "docker", "--decisions-from", source, *QUIET, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    told = seen()  # type: ignore[operator]
    assert told["folder"] == str(project.parent)
    assert told["arguments"][:4] == ["backtest", str(project), "--output", summary["run_folder"]]
    assert Path(summary["run_folder"]).is_relative_to(project.parent)
    given = dict(zip(told["arguments"][5::3], told["arguments"][6::3], strict=False))
    assert given["start"] == "2014-01-01"
    assert given["llm-run-dir"] == "/Results"
    assert given["llm-config"] == "/Results/config.json"
    assert given["llm-decisions-from"] == "/Results/recorded-decisions.jsonl"
    assert (project / "llm_plugin" / "domain.py").is_file()
    assert summary["orders_hash"] == json.loads(embedded.stdout)["orders_hash"]
    assert (Path(summary["run_folder"]) / "report.html").is_file()


def test_an_image_that_has_the_plugin_is_used_as_it_is(
    project: Path, lean_cli: Path, market_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAN_LLM_LEAN_IMAGE", "lean-llm-lean:local")
    ready_project("docker", project, "service", False)
    assert not (project / "llm_plugin").exists()
    command = lean_command(spec_of(project, project / "backtests" / "one", market_data, "docker"))
    assert command.arguments[5:8] == ["--image", "lean-llm-lean:local", "--no-update"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("outside", "is outside of the LEAN CLI's workspace"),
        ("no workspace", r"no lean\.json above"),
        ("other data", r"mounts the data folder of .*lean\.json"),
    ],
)
def test_what_docker_cannot_see_is_refused_before_it_starts(
    project: Path, lean_cli: Path, market_data: Path, tmp_path: Path, change: str, told: str
) -> None:
    folder, data = project / "backtests" / "one", market_data
    if change == "outside":
        folder = tmp_path / "elsewhere"
    elif change == "no workspace":
        (project.parent / "lean.json").unlink()
    else:
        data = tmp_path / "other"
    with pytest.raises(ConfigError, match=told):
        lean_command(spec_of(project, folder, data, "docker"))


def test_a_model_inside_leans_image_is_refused_with_the_remedy(project: Path, lean_cli: Path) -> None:
    done = backtest(project, "--engine", "docker", *QUIET)
    assert done.returncode == 2
    assert "--decisions-from RUN" in done.stderr


def test_an_error_of_the_cli_is_handed_on(project: Path, lean_cli: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "refused")
    done = backtest(project, "--engine", "docker", *PLAIN)
    assert done.returncode == LeanLlmError.exit_code
    assert "make sure Docker is installed" in done.stderr


def test_a_vendored_copy_would_hide_the_validator(project: Path, launcher: Path) -> None:
    ready_project("local", project, "in_process", False)
    ready_project("docker", project, "none", False)
    with pytest.raises(ConfigError, match="hides the installed package"):
        ready_project("local", project, "in_process", False)


@pytest.mark.parametrize(
    ("value", "told"),
    [("", "set LEAN_LAUNCHER to the folder"), ("/nowhere", "'/nowhere', and /nowhere does not exist")],
)
def test_a_launcher_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, value: str, told: str) -> None:
    monkeypatch.setenv("LEAN_LAUNCHER", value)
    with pytest.raises(ConfigError, match=told):
        choose_engine("local")


def test_the_launcher_is_found_by_folder_and_by_file(launcher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_folder = find_launcher()
    monkeypatch.setenv("LEAN_LAUNCHER", str(by_folder))
    assert find_launcher() == by_folder
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConfigError, match="`dotnet` is not on PATH"):
        choose_engine("local")


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(ConfigError, match=r"--engine dokcer.*did you mean 'docker'"):
        choose_engine("dokcer")


def test_comments_and_last_commas_of_leans_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "lean.json"
    path.write_text('{ /* a\nb */ "a": "x // no comment, }", // one\n "b": [1, 2,], }')
    assert read_commented_json(path) == {"a": "x // no comment, }", "b": [1, 2]}
    path.write_text("{ broken")
    with pytest.raises(ConfigError, match=r"lean\.json is no JSON"):
        read_commented_json(path)
