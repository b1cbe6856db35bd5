"""The embedded engine as a program: time to the first bar, memory over ten years of minutes, many projects at once."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from llm_plugin.data.synth import write_market
from llm_plugin.data.synth_config import SynthConfig
from llm_plugin.runs.many import Job, run_many

RecordFigure = Callable[[str, float, str, float, str], None]
STARTS, PROJECTS, WORKERS, ROUNDS = 5, 30, 2, 3
YEARS, MINUTES_A_YEAR = 10, 98_280
RUN = """
import sys
from pathlib import Path
from llm_plugin.engine.runner import run_backtest
for project in sys.argv[2:]:
    run_backtest(Path(project), data_folder=Path(sys.argv[1]), results_folder=Path(project) / "alone")
"""
FIRST_BAR = """
from AlgorithmImports import *
import os
import time  # after the star: LEAN's imports have a `time` of their own


class FirstBar(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.add_equity("SPY", Resolution.MINUTE)

    def on_data(self, data):
        print(time.time(), flush=True)
        os._exit(0)
"""
LONG = """
from AlgorithmImports import *


class Long(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2005, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.pair = self.add_equity("SYNT", Resolution.MINUTE).symbol
        self.fast = self.ema(self.pair, 12)
        self.year = 0
        self.resident = {}

    def on_data(self, data):
        if not self.portfolio.invested:
            self.set_holdings(self.pair, 0.5)
        if self.time.year != self.year:
            self.resident[self.year] = self.memory()
            self.year = self.time.year

    def memory(self):
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def on_end_of_algorithm(self):
        self.resident[self.year] = self.memory()
        print("resident", self.resident[2006], self.resident[self.year], flush=True)
"""
SMALL = """
from AlgorithmImports import *


class Small(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2012, 1, 1)
        self.set_end_date(2013, 12, 31)
        self.pair = self.add_forex("EURUSD", Resolution.HOUR, Market.OANDA).symbol
        self.fast, self.slow = self.ema(self.pair, 12), self.ema(self.pair, 26)

    def on_data(self, data):
        if self.slow.is_ready:
            wanted = 10_000 if self.fast.current.value > self.slow.current.value else -10_000
            held = self.portfolio[self.pair].quantity
            if held != wanted:
                self.market_order(self.pair, wanted - held)
"""


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes keep the bytecode of what they import, after a first one, as where the package is installed.

    Some environments forbid to write any; each process would then compile the engine, 0.2 s that no user waits for.
    """
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "bytecode"))


def _project(folder: Path, source: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(source, encoding="utf-8")
    return folder


def _alone(data: Path, projects: list[Path]) -> str:
    command = [sys.executable, "-c", RUN, str(data), *map(str, projects)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=3600).stdout


@pytest.mark.usefixtures("compiled")
def test_time_to_the_first_bar(tmp_path: Path, market_data: Path, record_figure: RecordFigure) -> None:
    project = _project(tmp_path / "first", FIRST_BAR)
    seconds = []
    _alone(market_data, [project])
    for _ in range(STARTS):
        begin = time.time()
        seconds.append(float(_alone(market_data, [project])) - begin)
    print(f"\nfirst bar after {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")
    record_figure("engine_startup_seconds", statistics.median(seconds), "s", 1.5, "lower")


def test_memory_over_ten_years_of_minutes(tmp_path: Path, record_figure: RecordFigure) -> None:
    data = tmp_path / "market"
    config = SynthConfig(
        security_type="equity", resolution="minute", bars=YEARS * MINUTES_A_YEAR, start=date(2005, 1, 1)
    )
    write_market(data, config)
    told = _alone(data, [_project(tmp_path / "long", LONG)]).split()
    early, late = int(told[-2]), int(told[-1])
    print(f"\nresident after two years {early / 1024:.0f} MiB, after ten {late / 1024:.0f} MiB")
    record_figure("engine_memory_growth", late / early, "x", 1.1, "lower")


@pytest.mark.usefixtures("compiled")
def test_thirty_projects_on_two_cores(tmp_path: Path, market_data: Path, record_figure: RecordFigure) -> None:
    projects = [_project(tmp_path / f"p{number}", SMALL) for number in range(PROJECTS)]
    _alone(market_data, projects[:1])
    ratios, plain = [], []
    for turn in range(ROUNDS):
        jobs = []
        for project in projects:
            folder = project / f"beside-{turn}"
            folder.mkdir()
            jobs.append(Job(project.name, str(project), str(market_data), str(folder)))
        begin = time.perf_counter()
        _alone(market_data, projects)
        alone = time.perf_counter() - begin
        outcomes, _ = run_many(jobs, WORKERS, lambda name, event: None)
        beside = time.perf_counter() - begin - alone
        assert [outcome.exit_code for outcome in outcomes] == [0] * PROJECTS
        assert len({outcome.orders_hash for outcome in outcomes}) == 1
        # What the machine gives two processes that share nothing and fork for nobody.
        begin = time.perf_counter()
        with ThreadPoolExecutor(WORKERS) as lanes:
            list(lanes.map(lambda lane: _alone(market_data, projects[lane::WORKERS]), range(WORKERS)))
        apart = time.perf_counter() - begin
        ratios.append(alone / beside)
        plain.append(alone / apart)
        print(
            f"\n{PROJECTS} projects: one process {alone:.1f} s, {WORKERS} at a time {beside:.1f} s, "
            f"{WORKERS} processes with {PROJECTS // WORKERS} each {apart:.1f} s"
        )
    print(f"load {os.getloadavg()[0]:.1f}")
    record_figure("engine_parallel_throughput_ratio", statistics.median(ratios), "x", 1.8, "higher")
    record_figure("engine_parallel_plain_processes_ratio", statistics.median(plain), "x", 0, "higher")
