"""`lean-llm backtest --sandbox`: the result, what was refused, and projects that cannot be shut in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_plugin.cli.sandboxed import run_in_sandbox
from llm_plugin.errors import ConfigError
from llm_plugin.runs.backtest import BacktestOptions
from llm_plugin.runs.run_options import NOTE_NAME, RunOptions, write_note
from llm_plugin.sandbox import kernel_layers

DATA = Path(__file__).parents[2] / "datasets" / "market"
CURIOUS = """
from AlgorithmImports import *
class Curious(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 8)
        self.add_equity("SPY", Resolution.HOUR)
        try:
            self.debug(open("/etc/passwd").read())
        except PermissionError:
            self.debug("a locked door")
"""


def _options(tmp_path: Path, source: str = CURIOUS, **more: object) -> BacktestOptions:
    project = tmp_path / "project"
    project.mkdir()
    (project / "main.py").write_text(source)
    return BacktestOptions(project, DATA, tmp_path / "out", **more)  # type: ignore[arg-type]


@pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}")
def test_the_command_shows_results_and_every_refusal(tmp_path, capsys):
    code = run_in_sandbox(_options(tmp_path), as_json=True)

    printed = json.loads(capsys.readouterr().out)
    stored = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert code == 0
    assert printed == stored
    assert printed["status"] == "Completed"
    assert len(printed["refusals"]) == 1
    assert "main.py:9: the sandbox refuses reading (open /etc/passwd" in printed["refusals"][0]
    assert (tmp_path / "out" / "Curious.json").is_file()
    assert "a locked door" in (tmp_path / "out" / "Curious-log.txt").read_text()


@pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}")
def test_an_escape_that_is_not_caught_ends_the_run_by_name(tmp_path, capsys):
    source = CURIOUS.replace("except PermissionError", "except ZeroDivisionError")
    code = run_in_sandbox(_options(tmp_path, source), as_json=True)

    printed = json.loads(capsys.readouterr().out)
    assert (code, printed["kind"]) == (8, "SandboxViolation")
    assert "main.py:9: the sandbox refuses reading" in printed["error"]


def test_what_needs_the_host_is_not_shut_in(tmp_path):
    options = _options(tmp_path, engine="docker")
    with pytest.raises(ConfigError, match="--sandbox and --engine docker exclude each other"):
        run_in_sandbox(options, as_json=True)
    (options.project / "llm_config.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"llm_config\.yaml asks for models and stores"):
        run_in_sandbox(BacktestOptions(options.project, DATA, tmp_path / "out"), as_json=True)


def test_run_options_reach_the_engine_and_wrong_ones_are_named(tmp_path):
    limits = RunOptions(step_seconds=5, run_seconds=9, memory_mib=300).limits()

    assert (limits.step_seconds, limits.run_seconds, limits.memory_mib) == (5, 9, 300)
    assert RunOptions().limits().step_seconds == 1200
    with pytest.raises(ConfigError, match="--bad-data ignore"):
        RunOptions(bad_data="ignore").policy()
    write_note(RunOptions().policy(), tmp_path)
    assert not (tmp_path / NOTE_NAME).exists()


def test_an_arm_leaves_a_note_about_skipped_rows_and_obeys_its_limits(tmp_path):
    import shutil
    import zipfile

    from llm_plugin.runs.worker import WorkerSpec, _run

    data = tmp_path / "data"
    shutil.copytree(DATA, data)
    path = data / "equity/usa/hour/spy.zip"
    with zipfile.ZipFile(path) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("spy.csv", text.replace("20131007 11:00,", "20131007 11:00,x", 1))
    options = _options(tmp_path, CURIOUS.split("        try:")[0])
    (tmp_path / "run").mkdir()
    spec = WorkerSpec(
        "llm", str(options.project), str(data), str(tmp_path / "run"), "", run_options={"bad_data": "skip"}
    )
    told = _run(spec, (tmp_path / "channel").open("w"))

    assert told["status"] == "Completed"
    note = (tmp_path / "run" / NOTE_NAME).read_text()
    assert "1 rows of market data were skipped" in note
    assert "hour/spy.zip row" in note
