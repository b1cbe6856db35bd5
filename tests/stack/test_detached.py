"""Programs that are meant to outlive the process that starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from llm_plugin.detached import has_ended, start_detached

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_process_ends_without_a_word_about_what_it_leaves_running(tmp_path: Path) -> None:
    starter = f"""
import sys
from pathlib import Path
from llm_plugin.detached import start_detached
with open({str(tmp_path / "log")!r}, "ab") as log:
    print(start_detached({SLEEPS!r}, log, Path({str(tmp_path)!r})))
"""
    done = subprocess.run([sys.executable, "-W", "always", "-c", starter], capture_output=True, text=True, check=True)
    left = int(done.stdout)
    try:
        assert done.stderr == ""
        os.kill(left, 0)
    finally:
        os.kill(left, signal.SIGKILL)


def test_the_end_of_a_program_is_told_and_collected(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as log:
        pid = start_detached(SLEEPS, log, tmp_path, dict(os.environ))
    assert os.getsid(pid) == pid
    assert not has_ended(pid)
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while not has_ended(pid):
        assert time.monotonic() < until
        time.sleep(0.02)
    # Nothing is left of it, and nothing is known of processes that others started.
    assert not Path(f"/proc/{pid}").exists()
    assert not has_ended(os.getpid())
