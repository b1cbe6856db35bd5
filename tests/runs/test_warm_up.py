"""The run of our own before many others: it is felt in time alone."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from llm_plugin.runs.many import Job, run_many
from llm_plugin.runs.warm_up import PAYS_FROM, warm_up

DATA = Path(__file__).parents[2] / "datasets" / "market"
SOURCE = """
from AlgorithmImports import *
import sys


class Small(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.spy = self.add_equity("SPY", Resolution.HOUR).symbol
        self.log(f"others {[name for name in sys.modules if 'WarmUp' in vars(sys.modules[name])]}")

    def on_data(self, data):
        self.set_holdings(self.spy, -1 if self.portfolio[self.spy].is_long else 1)
"""


def _run(folder: Path, count: int) -> tuple[list[str], list[str]]:
    jobs = []
    for number in range(count):
        project, results = folder / f"p{count}-{number}", folder / f"r{count}-{number}"
        project.mkdir()
        results.mkdir()
        (project / "main.py").write_text(SOURCE)
        jobs.append(Job(project.name, str(project), str(DATA), str(results)))
    outcomes, _ = run_many(jobs, 1, lambda name, event: None)
    logs = [next(Path(outcome.run_folder).glob("*-log.txt")).read_text() for outcome in outcomes]
    return [f"{outcome.exit_code} {outcome.orders} {outcome.orders_hash}" for outcome in outcomes], logs


def test_projects_in_a_warm_process_give_the_same_and_see_nothing_of_it(tmp_path: Path) -> None:
    cold, _ = _run(tmp_path, 1)
    warm, logs = _run(tmp_path, PAYS_FROM)

    assert warm == cold * PAYS_FROM
    assert cold[0].startswith("0 ")
    assert cold[0].split()[1] != "0"
    assert all("others []" in log for log in logs)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before, threads = set(sys.modules), set(threading.enumerate())

    warm_up(DATA)

    assert list(scratch.iterdir()) == []
    assert set(threading.enumerate()) <= threads
    assert not {name for name in set(sys.modules) - before if name in ("main", "AlgorithmImports")}


def test_the_engine_has_run_afterwards(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from llm_plugin.runs.warm_up import warm_up; "
        "warm_up(Path(sys.argv[1])); from llm_plugin.engine.data.histories import histories; "
        "print([history.path.name for history in histories()], 'llm_plugin.engine.results.run_state' in sys.modules)"
    )
    for folder, told in ((DATA, "['spy.zip'] True"), (tmp_path, "[] ")):
        done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
        assert done.stdout.startswith(told)
