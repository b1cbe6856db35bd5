"""A cycle with the real trainer, killed in the middle of training: it goes on, and nothing is there twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from real_cycle import prepare

from llm_plugin.learning.database import LearningDatabase
from llm_plugin.registry.store import Registry

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SCRIPT = Path(__file__).with_name("real_cycle.py")
ROOT = Path(__file__).parents[2]


def start(world: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, str(SCRIPT), str(world)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=ROOT
    )


def killed_at(world: Path, stage: str, fraction: float) -> list[int]:
    """Start a cycle and kill -9 it once a stage has come so far; return the children that it had."""
    with start(world) as process:
        assert process.stdout is not None
        for line in process.stdout:
            name, done = line.split()
            if name == stage and float(done) >= fraction:
                break
        children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        os.kill(process.pid, signal.SIGKILL)
    return children


def finished(world: Path) -> dict[str, Any]:
    with start(world) as process:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
    assert process.returncode == 0, lines
    return dict(json.loads(lines[-1]))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_cycle_killed_while_it_trains_goes_on(tmp_path: Path) -> None:
    world = prepare(tmp_path / "world")
    children = killed_at(world, "trained", 0.6)
    assert children, "the trainer runs in a process of its own"
    until = time.monotonic() + 30
    while any(alive(pid) for pid in children) and time.monotonic() < until:
        time.sleep(0.2)
    assert not any(alive(pid) for pid in children), "an orphaned trainer would write beside the next one"
    registry = Registry(world / "registry")
    assert [row.id for row in registry.versions()] == ["base"]

    result = finished(world)
    assert (result["status"], result["resumed"]) == ("refused", True)  # an untrained base has no legal answers
    assert "legal action" in result["reason"]
    version = registry.verify(result["challenger"], base=world / "base")
    assert len(registry.versions()) == 2
    assert version.manifest is not None
    assert version.manifest.parent is None
    assert registry.pointer().champion == "base"
    with LearningDatabase(str(world / "store.sqlite")) as database:
        (row,) = database.cycles()
        assert (row.status, len(database.gates())) == ("refused", 1)
        events = [event.event.removeprefix("lean-llm.") for event in database.events()]
        assert events == ["challenger.registered", "gate.decided", "cycle.ended"]
        starts = [name for name in database.stages(row.cycle_id) if name.startswith("start-")]
        assert len(starts) == 2
