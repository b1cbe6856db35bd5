"""Flow runs whose process is gone, as after `kill -9`: said so to Prefect, which then lets the next one start."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from llm_plugin.errors import BackendUnavailable
from llm_plugin.stack.prefect_api import PrefectApi

__all__ = ["mark_dead_runs"]


def mark_dead_runs(api: PrefectApi, pool: str) -> list[str]:
    """Mark runs that Prefect believes to be running and whose process is gone as crashed; return their names.

    Only for a server that listens on loopback, as the stack's does: its process ids are all of this machine. Prefect
    would give the place of such a run free after five minutes by itself; its cycle goes on with the next one.
    """
    dead = []
    try:
        for run in api.running(pool):
            if _gone(run.get("infrastructure_pid")):
                api.set_crashed(str(run["id"]), "its process is gone; the cycle goes on with the next run")
                dead.append(str(run["name"]))
    except BackendUnavailable:
        return dead
    return dead


def _gone(where: Any) -> bool:
    """True only for a process of this machine that is certainly not there."""
    host, _, pid = str(where or "").rpartition(":")
    if host not in ("", socket.gethostname()) or not pid.isdigit():
        return False
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            return stat.read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
