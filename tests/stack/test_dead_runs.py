"""Runs without a process are said to have crashed; one that lives, or whose machine is unknown, is left alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from llm_plugin.errors import BackendUnavailable
from llm_plugin.stack.dead_runs import mark_dead_runs
from llm_plugin.stack.prefect_api import PrefectApi


def ended() -> int:
    """Return the id of a process that is over."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


class Server(PrefectApi):
    """A server that believes one run to be running."""

    def __init__(self, pid: object) -> None:
        super().__init__("http://127.0.0.1:9/api")
        self.pid = pid
        self.crashed: list[str] = []

    def running(self, pool: str) -> list[dict[str, object]]:
        return [{"id": "1", "name": "retrain", "infrastructure_pid": self.pid}]

    def set_crashed(self, run_id: str, why: str) -> None:
        assert "its process is gone" in why
        self.crashed.append(run_id)


def test_a_run_without_a_process_has_crashed() -> None:
    server = Server(str(ended()))
    assert mark_dead_runs(server, "lean-llm") == ["retrain"]
    assert server.crashed == ["1"]


@pytest.mark.parametrize(
    "pid",
    [None, "", "x", f"elsewhere:{2**22 + 1}", str(os.getpid())],
    ids=["nobody", "empty", "no number", "elsewhere", "this one"],
)
def test_one_that_lives_or_is_unknown_is_left_alone(pid: str | None) -> None:
    server = Server(pid)
    assert mark_dead_runs(server, "lean-llm") == []
    assert server.crashed == []


def test_a_server_that_does_not_answer_changes_nothing() -> None:
    api = PrefectApi("http://127.0.0.1:9/api", timeout_seconds=0.5)
    assert mark_dead_runs(api, "lean-llm") == []
    with pytest.raises(BackendUnavailable, match="did not answer"):
        api.running("lean-llm")
