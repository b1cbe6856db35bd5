"""Ctrl-C in the middle of a backtest: a partial report, exit code 130, and nobody left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from e2e_tools import FAKE, PROJECTS, QUICK, ROOT, Run, command, environment, sets

PATIENCE_SECONDS = 240.0


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not what():
        if time.monotonic() > end:
            pytest.fail(f"waited {PATIENCE_SECONDS:g} s in vain")
        time.sleep(0.1)


def workers_of(folder: Path) -> list[int]:
    """Return the processes whose command line names a file of the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words and "llm_plugin.runs.worker" in words:
            found.append(int(process.name))
    return found


def start(output: Path) -> subprocess.Popen[str]:
    words = command(
        "backtest", PROJECTS / "eurusd_ensemble", "--output", output, *sets("memory.backend=local", *QUICK, *FAKE)
    )
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background inherits an ignored SIGINT; a person's terminal does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_ctrl_c_leaves_a_partial_report_and_no_process(shared_home: Path, tmp_path: Path) -> None:
    output = tmp_path / "runs"
    process = start(output)
    wait_for(lambda: any(path.stat().st_size > 200_000 for path in output.glob("*/decisions.jsonl")))
    assert len(workers_of(output)) == 2
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    wait_for(lambda: workers_of(output) == [])
    (folder,) = output.iterdir()
    run = Run(folder)
    assert run.summary["interrupted"] is True
    assert run.summary["status"] == "Stopped"
    assert "Stopped by Ctrl-C: these results are partial." in " ".join(out.split())
    assert "partial" in (folder / "report.html").read_text()
    assert run.summary["decisions"] == len(run.entries) > 10
    last = max(row["bar_utc"] for row in run.rows if row["kind"] == "decision")
    assert "2013" < last < "2018-12"


def test_ctrl_c_before_the_first_bar_is_no_crash(shared_home: Path, tmp_path: Path) -> None:
    output = tmp_path / "runs"
    process = start(output)
    wait_for(lambda: any(output.glob("*/worker.json")))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    wait_for(lambda: workers_of(output) == [])
    for path in output.rglob("*.json"):
        json.loads(path.read_text())
