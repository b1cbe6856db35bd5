"""Whole optimisations: resumed, with failing trials, in folds, on Dask, in a sandbox, stopped, and reported."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from llm_plugin.errors import AlgorithmError, BackendUnavailable, ConfigError, DataError
from llm_plugin.optimize.finish import finish
from llm_plugin.optimize.plan import OptimizeOptions, Task, Window
from llm_plugin.optimize.run import OptimizationRun, optimize
from llm_plugin.optimize.score import Objective, parse_constraint
from llm_plugin.optimize.space import parse_parameters
from llm_plugin.optimize.store import TrialResult, TrialStore
from llm_plugin.sandbox import kernel_layers

DATA = Path(__file__).parents[2] / "datasets" / "market"
NOISE = """
    from AlgorithmImports import *
    import random

    class Noise(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2014, 1, 1)
            self.set_end_date(2014, 12, 31)
            self.symbol = self.add_equity("SPY", Resolution.DAILY).symbol
            self.dice = random.Random(self.get_parameter("a") + "|" + self.get_parameter("b", ""))
            if self.get_parameter("a") == "3":
                raise ValueError("three is not for me")

        def on_data(self, data):
            self.set_holdings(self.symbol, self.dice.choice([-1, 0, 1]))
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Keep the cache of bars out of the user's home."""
    monkeypatch.setenv("LEAN_LLM_HOME", str(tmp_path / "home"))


@pytest.fixture
def options(tmp_path):
    """Options of a noise project: `options(["a=1:5:1"], folds=2)`."""

    def make(parameters: list[str], source: str = NOISE, **more: object) -> OptimizeOptions:
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        (project / "main.py").write_text(textwrap.dedent(source))
        given = {"workers": 1, **more}
        return OptimizeOptions(project, DATA, tmp_path / "out", parse_parameters(parameters), **given)  # type: ignore[arg-type]

    return make


def _run(options: OptimizeOptions) -> tuple[OptimizationRun, list[object]]:
    seen: list[object] = []
    return optimize(options, seen.append, {}), seen


def test_noise_is_not_believed_a_failing_trial_is_told_and_nothing_runs_twice(options, tmp_path):
    given = options(["a=1:6:1", "b=1,2"])
    first, seen = _run(given)
    again, _ = _run(given)
    summary = finish(again)

    assert (len(first.results), first.reused, again.reused) == (12, 0, 12)
    assert [one.statistics for one in first.results] == [one.statistics for one in again.results]
    failed = [one for one in first.results if one.failed]
    assert [one.parameters["a"] for one in failed] == ["3", "3"]
    assert all("main.py:12: ValueError: three is not for me" in one.error for one in failed)
    last = seen[-1]
    assert (last.done, last.total, last.failed, last.eta_seconds) == (12, 12, 2, 0.0)
    assert summary["verdict"]["verdict"] == "not believed"
    assert summary["verdict"]["sentence"].startswith("Do not believe the best trial")
    assert summary["verdict"]["deflated"]["trials"] == 10
    assert summary["trials"] == {"planned": 12, "finished": 12, "failed": 2, "used_again": 12}
    _check_files(tmp_path / "out", summary)


def _check_files(folder: Path, summary: dict) -> None:
    rows = list(csv.DictReader((folder / "trials.csv").open()))
    assert len(rows) == 12
    assert rows[-1]["status"] == "failed"
    assert "three is not for me" in rows[-1]["reason"]
    scores = [float(row["target"]) for row in rows if row["status"] != "failed"]
    assert scores == sorted(scores, reverse=True)
    stored = json.loads((folder / "summary.json").read_text())
    assert stored["configuration"]["parameters"] == {"a": ["1", "2", "3", "4", "5", "6"], "b": ["1", "2"]}
    assert stored["configuration"]["seed"] == 0
    assert stored["versions"]["numpy"]
    html = (folder / "optimization.html").read_text()
    assert "Do not believe the best trial" in html
    assert '"type":"heatmap"' in html
    assert "<script src=" not in html
    assert "three is not for me" in html


def test_a_changed_source_runs_again_and_a_reused_process_gives_what_a_fresh_one_gives(options):
    first, _ = _run(options(["a=1,2"]))
    changed, _ = _run(options(["a=1,2"], source=NOISE.replace("[-1, 0, 1]", "[0, 1]")))
    alone, _ = _run(options(["a=2"], source=NOISE + "\n    # another content\n"))

    assert changed.reused == 0
    assert changed.results[0].orders_hash != first.results[0].orders_hash
    assert alone.results[0].orders_hash == first.results[1].orders_hash
    assert alone.results[0].statistics == first.results[1].statistics


def test_parameters_are_chosen_before_the_days_that_judge_them(options):
    run, _ = _run(options(["a=1,2,4"], start="2014-01-01", end="2014-12-31", folds=2))
    summary = finish(run)

    assert [fold.fold.train.end for fold in run.folds] == ["2014-05-01", "2014-08-30"]
    for fold in run.folds:
        best = max(fold.train, key=lambda one: float(one.statistics["Sharpe Ratio"]))
        assert fold.chosen == best
        assert fold.test.parameters == fold.chosen.parameters
        assert fold.test.days[1] > fold.chosen.days[-1] > fold.chosen.days[0]
        assert {one.end for one in fold.train} == {fold.fold.train.end}
    assert summary["out_of_sample"]["days"] > 150
    assert summary["folds"][0]["test_target"] is not None
    assert "Out of sample" in (run.options.output / "optimization.html").read_text()


def test_days_after_the_train_part_have_no_say_in_the_choice(options):
    """A planted offender: it wins hugely, but only in days that come later."""
    source = NOISE.replace("self.dice.choice([-1, 0, 1])", "self.hold()") + (
        "\n        def hold(self):\n"
        "            later = self.time.month > 6\n"
        '            return {"1": 1 if later else -1, "2": 0.1}[self.get_parameter("a")]\n'
    )
    given = options(["a=1,2"], source=source, start="2014-02-10", end="2014-11-20", in_sample_fraction=0.5)
    run, _ = _run(given)

    train = {one.parameters["a"]: float(one.statistics["Sharpe Ratio"]) for one in run.folds[0].train}
    assert train["2"] > train["1"]
    assert run.folds[0].chosen.parameters == {"a": "2"}


def test_constraints_leave_trials_out(options):
    objective = Objective("Total Orders", False, (parse_constraint("Total Orders > 100000"),))
    run, _ = _run(options(["a=1,2"], objective=objective))

    assert run.best is None
    assert finish(run)["verdict"]["verdict"] == "cannot be judged"


def test_a_target_that_no_trial_has_and_trials_that_all_fail_are_told(options):
    with pytest.raises(ConfigError, match=r"no statistic 'Sharp Ratio'.*did you mean 'Sharpe Ratio'"):
        _run(options(["a=1"], objective=Objective("Sharp Ratio")))
    with pytest.raises(DataError, match=r"every one of 1 trials failed; the first: .*three is not for me"):
        _run(options(["a=3"]))


def test_folds_without_dates_cut_the_algorithms_own_period(options):
    own, _ = _run(options(["a=1,2"], folds=2))

    assert (own.options.start, own.options.end) == ("2014-01-01", "2014-12-31")
    assert [fold.fold.train.end for fold in own.folds] == ["2014-05-01", "2014-08-30"]
    assert finish(own)["out_of_sample"]["days"] > 150
    with pytest.raises(AlgorithmError, match=r"own dates are not known: .*three is not for me.*--start and --end"):
        _run(options(["a=3"], folds=2))
    with pytest.raises(ConfigError, match="exclude each other"):
        _run(options(["a=1"], folds=2, in_sample_fraction=0.5))


def test_a_runaway_trial_is_ended_and_the_others_go_on(options):
    source = NOISE.replace('raise ValueError("three is not for me")', "\n                while True: x = 7 ** (7 ** 9)")
    run, _ = _run(options(["a=3,4"], source=source, step_seconds=2))

    hung, fine = run.results
    assert "one time step takes longer than 2 s" in hung.error
    assert "main.py:" in hung.error
    assert fine.status == "Completed"


@pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}")
def test_a_sandboxed_trial_gives_the_same_and_an_escaping_one_fails(options):
    plain, _ = _run(options(["a=1"]))
    source = NOISE.replace('raise ValueError("three is not for me")', "open('/etc/passwd')")
    boxed, _ = _run(options(["a=1,3"], source=source, sandbox=True))

    assert boxed.results[0].orders_hash == plain.results[0].orders_hash
    assert "the sandbox refuses reading (open /etc/passwd" in boxed.results[1].error


def test_on_dask_the_same_comes_out(options, tmp_path):
    from distributed import LocalCluster

    here, _ = _run(options(["a=1,2,3"]))
    (tmp_path / "out" / "trials.jsonl").unlink()
    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        there, _ = _run(options(["a=1,2,3"], dask=cluster.scheduler_address))

    assert [one.orders_hash for one in there.results] == [one.orders_hash for one in here.results]
    assert [one.failed for one in there.results] == [False, False, True]


def test_a_scheduler_that_is_not_there_is_told(options):
    with pytest.raises(BackendUnavailable, match=r"--dask tcp://127\.0\.0\.1:9: no scheduler answers there"):
        _run(options(["a=1"], dask="tcp://127.0.0.1:9"))


def test_a_killed_optimisation_goes_on_and_a_torn_line_is_run_again(tmp_path):
    store = TrialStore(tmp_path / "trials.jsonl")
    task = Task.of("content", (("a", "1"),), Window())
    store.add(TrialResult.of(task, {"status": "Completed", "bars": 5, "equity": [1.0], "days": ["2024-01-01"]}))
    with (tmp_path / "trials.jsonl").open("a") as stream:
        stream.write('{"key": "torn')
    found = TrialStore(tmp_path / "trials.jsonl")
    other = Task.of("content", (("a", "2"),), Window())
    found.add(TrialResult.of(other, {"status": "Completed", "bars": 5}))

    last = TrialStore(tmp_path / "trials.jsonl")
    assert last.get(task.key).equity == (1.0,)
    assert last.get(other.key) is not None
    assert Task.of("content", (("a", "1"),), Window("2024-01-01", "2024-02-01")).key != task.key
    assert TrialResult.of(task, {"status": "Completed", "bars": 0}).failed


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(options, tmp_path):
    given = options(["a=1:400:1"], source=NOISE.replace('== "3"', '== "none"'))
    command = [
        sys.executable, "-c", "from llm_plugin.cli import main; main()", "optimize", str(given.project),
        "--param", "a=1:400:1", "--data", str(DATA), "--output", str(given.output), "-j", "1", "--json",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    until = time.monotonic() + 90
    trials = given.output / "trials.jsonl"
    while time.monotonic() < until and not (trials.is_file() and trials.read_text().count("\n") >= 3):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    printed, told = process.communicate(timeout=60)

    assert process.returncode == 130, told
    summary = json.loads(printed)
    done = summary["trials"]["finished"]
    assert summary["interrupted"] is True
    assert 3 <= done < 400
    again, _ = _run(options(["a=1,2,3"], source=NOISE.replace('== "3"', '== "none"')))
    assert again.reused == 3
