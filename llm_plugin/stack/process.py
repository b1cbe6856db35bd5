"""Background processes that outlive their starter: started, recognised and stopped by a file that names them.

A process is recognised by its id *and* the moment it was started, so that another program that got the same id after a
restart of the machine is never taken for ours, nor stopped.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from llm_plugin.detached import has_ended, start_detached
from llm_plugin.errors import BackendUnavailable
from llm_plugin.files import home, write_whole

__all__ = ["HOST", "Running", "alive", "claim_port", "folder", "last_lines", "log_file", "read", "start", "stop"]

HOST = "127.0.0.1"
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """A process that was started here: `born` is its start as the system tells it, `facts` what its part needs."""

    name: str
    pid: int
    born: str
    port: int
    command: list[str]
    facts: dict[str, str]

    @property
    def url(self) -> str:
        """Its address; empty where it listens to nothing."""
        return f"http://{HOST}:{self.port}" if self.port else ""


def folder() -> Path:
    """Return where process files and logs of the stack lie."""
    return home() / "stack"


def log_file(name: str) -> Path:
    """Return where a part's output goes."""
    return folder() / f"{name}.log"


def start(
    name: str,
    command: Sequence[str],
    *,
    port: int = 0,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    facts: Mapping[str, str] | None = None,
) -> Running:
    """Start a program in a session of its own and write down who it is.

    Args:
        name: The part; one process each.
        command: Program and arguments.
        port: Where it will listen on loopback; 0 = nowhere.
        environment: The whole environment; None = this process's own.
        cwd: Working folder; None = the stack's.
        facts: What its part wants to know of it later.
    """
    folder().mkdir(parents=True, exist_ok=True)
    with log_file(name).open("ab") as log:
        pid = start_detached(command, log, cwd or folder(), environment)
    running = Running(name, pid, _born(pid), port, list(command), dict(facts or {}))
    write_whole(_file(name), json.dumps(asdict(running), indent=1))
    return running


def read(name: str) -> Running | None:
    """Return the part's process if it lives, else None."""
    try:
        known = Running(**json.loads(_file(name).read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None
    return known if alive(known) else None


def alive(process: Running) -> bool:
    """True while that very process runs."""
    if has_ended(process.pid):
        return False
    return bool(process.born) and _born(process.pid) == process.born


def stop(name: str, seconds: float = STOP_SECONDS) -> bool:
    """End the part's process and all that it started; False if none ran. A deaf one is killed."""
    known = read(name)
    if known is not None:
        below = _descendants(known.pid)  # flow runs have sessions of their own: the group is not all of it
        for sign in (signal.SIGTERM, signal.SIGKILL):
            _signal_group(known.pid, sign)
            if _ended(known, seconds):
                break
        _signal_group(known.pid, signal.SIGKILL)  # children that outlived their parent
        _end_all({**below, **_descendants(known.pid)}, seconds / 4)
    _file(name).unlink(missing_ok=True)
    return known is not None


def claim_port(wanted: int, name: str) -> int:
    """Return a loopback port that is free now: the wanted one, or any for 0.

    Raises:
        BackendUnavailable: Another program has it.
    """
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, wanted))
        except OSError as error:
            raise BackendUnavailable(
                f"{name}: port {wanted} is taken by another program ({error.strerror}); "
                f"stop that one, or `--port {name}=0` takes any free one"
            ) from error
        return int(one.getsockname()[1])


def last_lines(name: str, count: int = 15) -> str:
    """Return the end of a part's log."""
    try:
        lines = log_file(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(line[:300] for line in lines[-count:]) or "(nothing in its log)"


def _file(name: str) -> Path:
    return folder() / f"{name}.json"


def _ended(process: Running, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _signal_group(pid: int, sign: signal.Signals) -> None:
    try:
        os.killpg(pid, sign)
    except (ProcessLookupError, PermissionError):
        return


def _descendants(pid: int) -> dict[int, str]:
    """Return children, their children and so on: process id -> birth."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=False).stdout  # noqa: S607
    children: dict[int, list[int]] = {}
    for line in listed.splitlines():
        child, parent = line.split()
        children.setdefault(int(parent), []).append(int(child))
    found: dict[int, str] = {}
    waiting = list(children.get(pid, ()))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found[one] = _born(one)
            waiting += children.get(one, ())
    return {one: born for one, born in found.items() if born}


def _end_all(processes: Mapping[int, str], seconds: float) -> None:
    """End processes by id and birth: asked first, killed where they do not listen."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + seconds
        living = {pid for pid, born in processes.items() if _born(pid) == born}
        for pid in living:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, sign)
        while any(_born(pid) == processes[pid] for pid in living) and time.monotonic() < deadline:
            time.sleep(0.05)


def _born(pid: int) -> str:
    """Return when a process started, in the system's own words; empty where there is none (a zombie is none)."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in "ZX" else fields[19]
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return shown.stdout.strip()
