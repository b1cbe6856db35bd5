"""Processes that outlive the one that starts them: servers in a session of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

__all__ = ["has_ended", "start_detached"]

# Children of this process whose end nobody has collected yet.
_started: set[int] = set()


def start_detached(
    command: Sequence[str], log: IO[bytes], cwd: Path, environment: Mapping[str, str] | None = None
) -> int:
    """Start a program that goes on when this process ends; return its process id.

    Args:
        command: Program and arguments.
        log: Where it prints.
        cwd: Its working folder.
        environment: The whole environment; None = this process's own.
    """
    process = subprocess.Popen(  # noqa: S603 - the caller's command, no shell
        list(command),
        env=None if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=cwd,
        start_new_session=True,
    )
    # It is meant to be left running: without this Python would warn of it when the object goes.
    process.returncode = 0
    _started.add(process.pid)
    return process.pid


def has_ended(pid: int) -> bool:
    """Whether a process that was started here is over; its end is collected. False for all other processes."""
    if pid not in _started:
        return False
    try:
        ended = os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        ended = True
    if ended:
        _started.discard(pid)
    return ended
