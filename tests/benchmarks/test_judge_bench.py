"""How many strategies one core judges in a minute, and how many attacks get through."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from judge_attacks import HONEST, HOST_ATTEMPTS, VERDICT_ATTACKS, host_source

from llm_plugin.sandbox import kernel_layers
from llm_plugin.strategies.judge import Candidate, JudgeLimits
from llm_plugin.strategies.judge.judge import Judge
from llm_plugin.strategies.tasks import Task, load_tasks

pytestmark = pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}")

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "datasets" / "market"
COUNT = 24
YEAR = timedelta(days=367)
Record = Callable[[str, float, str, float, str], None]


def _tasks() -> list[Task]:
    """Tasks on one year of daily data with a reference solution, of all families in turn."""
    found = [
        task
        for task in load_tasks(ROOT / "datasets" / "strategy_tasks")
        if task.reference and task.start and task.end and YEAR - timedelta(60) < task.end - task.start < YEAR
        if task.requirements is not None and task.requirements.resolution == "daily"
    ]
    step = max(1, len(found) // COUNT)
    return found[::step][:COUNT]


def _processor_seconds(judge: Judge) -> float:
    """Return what this process and the nursery with its forks have used."""
    process = judge._cell._process
    assert process is not None
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    ticks = sum(int(value) for value in fields[11:15])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _rate(candidates: list[Candidate], reached: int) -> tuple[float, float]:
    """Judge with no verdict known and return strategies a minute: of processor time, and of wall time."""
    with Judge(DATA, JudgeLimits()) as judge:
        judge.judge(Candidate(HONEST))  # the start of a judge is not part of its pace
        began, cpu = time.perf_counter(), _processor_seconds(judge)
        verdicts = [judge.judge(candidate) for candidate in candidates]
        wall, used = time.perf_counter() - began, _processor_seconds(judge) - cpu
    assert [verdict.reached for verdict in verdicts] == [reached] * len(candidates), [
        (verdict.id, verdict.failure) for verdict in verdicts if verdict.reached != reached
    ]
    return 60 * len(candidates) / used, 60 * len(candidates) / wall


def test_strategies_a_minute_through_all_gates(record_figure: Record) -> None:
    tasks = _tasks()
    assert len(tasks) >= 10
    assert JudgeLimits().truncations >= 2

    core, wall = _rate([Candidate(str(task.reference), task, id=task.id) for task in tasks], 5)
    record_figure("strategies_per_minute_core", core, "strategies/minute of one core", 30, "higher")
    record_figure("strategies_per_minute_wall", wall, "strategies/minute, one judge, machine as it was", 0, "higher")


def test_strategies_a_minute_through_three_gates(record_figure: Record) -> None:
    candidates = [
        Candidate(str(task.reference), None, str(task.start), str(task.end), float(task.cash or 0), 3, task.id)
        for task in _tasks()
    ]

    core, wall = _rate(candidates, 3)
    record_figure("strategies_per_minute_core_gates_1_3", core, "strategies/minute of one core", 60, "higher")
    record_figure("strategies_per_minute_wall_gates_1_3", wall, "strategies/minute, one judge", 0, "higher")


def test_attacks_that_get_through(record_figure: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    escapes = tried = 0
    monkeypatch.setenv("LEAN_LLM_TEST_SECRET", "hunter2")
    home, outside = tmp_path / "home", tmp_path / "outside"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_rsa").write_text("hunter2")
    outside.mkdir()
    (outside / "victim").write_text("whole")
    (outside / "stolen.py").write_text("SECRET = 'hunter2'\n")
    limits = JudgeLimits(cpu_seconds=3, wall_seconds=20, output_mib=4)
    for switches in ({}, {"use_audit": False}, {"use_audit": False, "use_namespaces": False}):
        with (
            Judge(DATA, limits, check_static=False, **switches) as judge,
            socket.create_server(("127.0.0.1", 0)) as server,
        ):
            honest = judge.judge(Candidate(HONEST))
            assert honest.reached == 5
            # Verdicts are attacked where Python's hook does not help.
            for attack in VERDICT_ATTACKS.values() if switches == {"use_audit": False} else ():
                tried += 1
                escapes += attack.escaped(judge.judge(Candidate(attack.source)), honest)
            port = server.getsockname()[1]
            told = judge.judge(Candidate(host_source(str(home), str(outside), str(DATA), port), gates=2))
            reason = told.gate("backtests").reason
            assert f"TRIED {len(HOST_ATTEMPTS)} GOT [" in reason, reason
            tried += len(HOST_ATTEMPTS)
            got = reason.partition("GOT [")[2].partition("]")[0]
            escapes += len([name for name in got.split("', '") if name])
            escapes += (outside / "victim").read_text() != "whole"
    assert tried >= 4 * 40
    record_figure("sandbox_escapes", escapes, f"of {tried} attacks", 0, "lower")
