"""A part's process is known by id and birth, ends with its children, and is never mistaken for another program."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from llm_plugin.errors import BackendUnavailable
from llm_plugin.stack import process

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
WITH_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session={})
print("child", child.pid, flush=True)
time.sleep(60)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


def told(name: str, word: str) -> str:
    """Wait for a line of a part's log."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        line = next((row for row in process.last_lines(name).splitlines() if row.startswith(word)), None)
        if line:
            return line
        time.sleep(0.02)
    raise TimeoutError(word)


def runs(pid: int) -> bool:
    """True while a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_started_process_is_found_again_and_stopped_once() -> None:
    started = process.start("sleeper", SLEEP)
    assert process.read("sleeper") == started
    assert process.alive(started)
    assert process.stop("sleeper")
    assert not process.alive(started)
    assert process.read("sleeper") is None
    assert not process.stop("sleeper")


@pytest.mark.parametrize("own_session", [False, True], ids=["same session", "own session"])
def test_its_children_end_with_it(own_session: bool) -> None:
    process.start("parent", [sys.executable, "-c", WITH_CHILD.format(own_session)])
    child = int(told("parent", "child").split()[1])
    assert runs(child)
    process.stop("parent")
    deadline = time.monotonic() + 10
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not runs(child)


def test_one_that_does_not_listen_is_killed() -> None:
    started = process.start("deaf", [sys.executable, "-c", DEAF])
    told("deaf", "deaf")
    assert process.stop("deaf", seconds=0.3)
    assert not process.alive(started)


def test_another_program_with_the_same_id_is_neither_ours_nor_stopped() -> None:
    started = process.start("sleeper", SLEEP)
    file = process.folder() / "sleeper.json"
    known = json.loads(file.read_text())
    file.write_text(json.dumps(known | {"born": "1"}))
    assert process.read("sleeper") is None
    assert not process.stop("sleeper")
    assert process.alive(started)
    file.write_text(json.dumps(known))
    assert process.stop("sleeper")


@pytest.mark.parametrize("damage", ["", "{", '{"pid": 1}'], ids=["empty", "torn", "incomplete"])
def test_a_damaged_process_file_means_nothing_runs(damage: str) -> None:
    process.folder().mkdir(parents=True)
    (process.folder() / "part.json").write_text(damage)
    assert process.read("part") is None


def test_a_port_that_is_taken_is_named_with_the_remedy() -> None:
    with socket.socket() as held:
        held.bind((process.HOST, 0))
        held.listen()
        port = held.getsockname()[1]
        with pytest.raises(BackendUnavailable, match=f"prefect: port {port} is taken .* `--port prefect=0`"):
            process.claim_port(port, "prefect")
    assert process.claim_port(port, "prefect") == port
    assert process.claim_port(0, "prefect") > 0


def test_the_log_keeps_what_was_said_before_and_shows_its_end() -> None:
    assert process.last_lines("quiet") == "(no log)"
    for _ in range(2):
        started = process.start("quiet", [sys.executable, "-c", "print('one'); print('two')"])
        while process.alive(started):
            time.sleep(0.02)
    assert process.log_file("quiet").read_text() == "one\ntwo\none\ntwo\n"
    assert process.last_lines("quiet", 1) == "two"


def test_nothing_of_it_lies_outside_the_home() -> None:
    assert process.folder() == Path(os.environ["LEAN_LLM_HOME"]) / "stack"
