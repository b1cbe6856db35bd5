"""Many projects beside each other: clean processes, folders of their own, failures that stay alone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.cli.backtest_many import _names
from llm_plugin.errors import BackendUnavailable, ConfigError
from llm_plugin.runs.cluster import dask_address
from llm_plugin.runs.many import Job, run_many, run_on_dask
from llm_plugin.runs.nursery import _keep_files

DATA = Path(__file__).parents[2] / "datasets" / "market"
SOURCE = """
from AlgorithmImports import *
import helper, json, os, sys


class Algorithm(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 7)
        self.spy = self.add_equity("SPY", Resolution.MINUTE).symbol
        self.log(f"seen {helper.COUNT} {getattr(json, 'planted', 'nothing')}")
        json.planted = "by the project before"

    def on_data(self, data):
        WORK
"""


def _job(folder: Path, name: str, work: str, **options: str) -> Job:
    project = folder / name
    project.mkdir()
    (project / "main.py").write_text(SOURCE.replace("WORK", work))
    (project / "helper.py").write_text(f"COUNT = '{name}'\n")
    results = folder / "results" / name
    results.mkdir(parents=True)
    return Job(name, str(project), str(DATA), str(results), **options)  # type: ignore[arg-type]


def test_each_project_runs_in_a_clean_process_and_a_folder_of_its_own(tmp_path: Path) -> None:
    jobs = [_job(tmp_path, f"p{n}", "self.buy(self.spy, 1) if not self.portfolio.invested else 0") for n in range(3)]

    outcomes, interrupted = run_many(jobs, 1, lambda name, event: None)

    assert not interrupted
    assert [(o.name, o.exit_code, o.status, o.orders) for o in outcomes] == [
        (f"p{n}", 0, "Completed", 1) for n in range(3)
    ]
    assert len({o.orders_hash for o in outcomes}) == 1
    for outcome in outcomes:
        (log,) = Path(outcome.run_folder).glob("*-log.txt")
        assert f"seen {outcome.name} nothing" in log.read_text()


def test_pandas_is_imported_for_those_that_come_after_one_that_used_it(tmp_path: Path) -> None:
    look = "self.log(f\"pandas {'pandas' in sys.modules} {type(pd).__name__}\")"
    works = [look, f"{look}; pd.DataFrame()", look]
    jobs = [_job(tmp_path, f"p{number}", work) for number, work in enumerate(works)]

    outcomes, _ = run_many(jobs, 1, lambda name, event: None)

    logs = [next(Path(outcome.run_folder).glob("*-log.txt")).read_text() for outcome in outcomes]
    found = [next(line for line in log.splitlines() if "pandas " in line).partition("pandas ")[2] for log in logs]
    assert found == ["False LateModule", "False LateModule", "True module"]


def test_databases_are_read_before_the_first_project(tmp_path: Path) -> None:
    look = """from AlgorithmImports import *
from llm_plugin.engine.market import market_hours, symbol_properties
READ = [databases._cached.cache_info().misses for databases in (market_hours, symbol_properties)]


class Looks(QCAlgorithm):
    def initialize(self):
        self.log(f"read {READ}")
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 7)
        self.add_equity("SPY", Resolution.MINUTE)
        self.log(f"and then {[d._cached.cache_info().misses for d in (market_hours, symbol_properties)]}")
"""
    job = _job(tmp_path, "looks", "pass")
    (Path(job.project) / "main.py").write_text(look)

    run_many([job], 1, lambda name, event: None)

    (log,) = Path(job.run_folder).glob("*-log.txt")
    assert "read [1, 1]" in log.read_text()
    assert "and then [1, 1]" in log.read_text()


def test_a_history_that_one_project_read_lies_decoded_for_the_next(tmp_path: Path) -> None:
    look = """from AlgorithmImports import *
from llm_plugin.engine.data.histories import histories
READ = len(histories())


class Looks(QCAlgorithm):
    def initialize(self):
        self.log(f"read {READ}")
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 7)
        self.add_equity("SPY", Resolution.HOUR)
"""
    jobs = [_job(tmp_path, name, "pass") for name in ("first", "second")]
    for job in jobs:
        (Path(job.project) / "main.py").write_text(look)

    run_many(jobs, 1, lambda name, event: None)

    logs = [next(Path(job.run_folder).glob("*-log.txt")).read_text() for job in jobs]
    assert ["read 0" in log for log in logs] == [True, False]
    assert "read 1" in logs[1]


DAMAGED = '["{damaged}", 1, 3, 0, "UTC", "UTC"]'


@pytest.mark.parametrize(
    "told",
    [
        '["{outside}", 1, 3, 0, "UTC", "UTC"]',
        DAMAGED,
        '["{data}/missing.zip", 1, 3, 0, "UTC", "UTC"]',
        '["{damaged}", 1, 3, 0, "UTC", "Nowhere/Land"]',
        '["{damaged}", 1, 3, 99, "UTC", "UTC"]',
        '["{damaged}"]',
        '[5, 1, 3, 0, "UTC", "UTC"]',
        "5",
        "{damaged}",
        "",
        "x" * 20_000,
    ],
)
def test_what_a_project_tells_of_its_files_is_not_believed(tmp_path: Path, told: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    outside, damaged = tmp_path / "secret.zip", data / "damaged.zip"
    for path in (outside, damaged):
        path.write_text("no archive")
    there, here = os.pipe()
    os.write(here, told.format(outside=outside, damaged=damaged, data=data).encode())
    os.close(here)
    kept: set[str] = set()

    _keep_files(there, data, kept)

    assert [json.loads(line)[0] for line in kept] == ([str(damaged)] if told == DAMAGED else [])


@pytest.mark.parametrize(
    ("work", "status", "error"),
    [
        ("raise ValueError('broken here')", "AlgorithmError", "main.py:15: ValueError: broken here"),
        ("os._exit(9)", "Failed", "ended with exit code 9"),
        ("os.kill(os.getpid(), 9)", "Failed", "was killed by signal 9"),
        ("sys.exit('enough')", "Failed", "ended with exit code"),
    ],
    ids=["raises", "exits", "killed", "sys.exit"],
)
def test_one_that_fails_stops_no_other(tmp_path: Path, work: str, status: str, error: str) -> None:
    jobs = [_job(tmp_path, "bad", work), _job(tmp_path, "good", "pass")]
    events: list[tuple[str, str]] = []

    outcomes, _ = run_many(jobs, 1, lambda name, event: events.append((name, event["event"])))

    bad, good = outcomes
    assert (bad.status, good.status) == (status, "Completed")
    assert bad.exit_code > 0
    assert good.exit_code == 0
    assert error in bad.error
    assert [item for item in events if item[1] in ("done", "error")] == [("bad", "error"), ("good", "done")]


def test_a_project_with_a_command_is_run_by_it(tmp_path: Path) -> None:
    summary = {"bars": 10, "bars_per_second": 5.0, "orders_hash": "abc"}
    job = _job(tmp_path, "plugin", "pass")
    command = (sys.executable, "-c", f"print('''{json.dumps(summary)}''')")
    good = Job(job.name, job.project, job.data_folder, job.run_folder, command=command)
    bad = Job("other", job.project, job.data_folder, job.run_folder, command=(sys.executable, "-c", "1 / 0"))

    (first, second), _ = run_many([good, bad], 2, lambda name, event: None)

    assert (first.exit_code, first.bars, first.seconds, first.orders_hash) == (0, 10, 2.0, "abc")
    assert second.exit_code == 1
    assert "ZeroDivisionError" in second.error


def _plain(folder: Path, name: str) -> str:
    return _job(folder, name, "pass").project


def test_the_command_runs_several_and_its_code_is_that_of_the_first_failure(tmp_path: Path) -> None:
    good, bad = _plain(tmp_path, "good"), _job(tmp_path, "bad", "raise ValueError('broken')").project
    options = ["--data", str(DATA), "--output", str(tmp_path / "out"), "--json"]

    result = CliRunner().invoke(app, ["backtest", good, bad, "-j", "1", *options])

    assert result.exit_code == 8
    told = json.loads(result.stdout)
    assert [(item["name"], item["status"]) for item in told] == [("good", "Completed"), ("bad", "AlgorithmError")]
    assert all(Path(item["run_folder"]).parent.parent == tmp_path / "out" for item in told)


@pytest.mark.parametrize(
    ("option", "error"),
    [
        (["--decisions-from", "run"], "--decisions-from: only a single project has it"),
        (["--parallel", "3"], "--parallel: only a single project has it"),
    ],
)
def test_options_of_a_single_project_are_refused_by_name(tmp_path: Path, option: list[str], error: str) -> None:
    projects = [_plain(tmp_path, "one"), _plain(tmp_path, "two")]
    result = CliRunner().invoke(app, ["backtest", *projects, *option])
    assert isinstance(result.exception, ConfigError)
    assert error in str(result.exception)


def test_projects_of_one_name_get_numbers() -> None:
    assert _names([Path("a/x"), Path("b/x"), Path("c/y")]) == ["x", "x-2", "y"]


def test_the_scheduler_is_named_by_the_command_before_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAN_LLM_DASK_ADDRESS", "tcp://one:1")
    assert (dask_address(""), dask_address("local")) == ("tcp://one:1", "local")


def test_a_scheduler_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_plugin.runs.cluster._PATIENCE", "1s")
    with pytest.raises(BackendUnavailable, match=r"--dask tcp://127.0.0.1:9: no scheduler"):
        run_on_dask([_job(tmp_path, "p", "pass")], "tcp://127.0.0.1:9", 1, lambda name, event: None)


@pytest.mark.slow
def test_dask_gives_what_processes_give(tmp_path: Path) -> None:
    jobs = [_job(tmp_path, "bad", "raise ValueError('broken')"), _job(tmp_path, "good", "self.buy(self.spy, 1)")]

    here, _ = run_many(jobs, 2, lambda name, event: None)
    there, _ = run_on_dask(jobs, "local", 2, lambda name, event: None)

    shown = [[(o.name, o.exit_code, o.status, o.error, o.orders, o.orders_hash) for o in run] for run in (here, there)]
    assert shown[0] == shown[1]
    assert [item.exit_code for item in there] == [8, 0]
