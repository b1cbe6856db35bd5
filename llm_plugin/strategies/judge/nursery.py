"""A process inside the sandbox that has the engine loaded and runs each candidate in a locked fork of its own.

`python -I -m …nursery` on the inner side of the judge: jobs come as JSON lines on stdin; for each, one header line and
the bytes that the candidate's process wrote go to stdout. It runs no candidate code itself, and reads none of what they
write: their bytes are passed on as they are, up to a limit.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["main"]

_MIB = 1 << 20
_READ = 1 << 16
_NO_SUID, _NO_DEVICES, _NO_EXECUTION = 2, 4, 8
_CRASHED = 70


def main() -> int:
    """Shut the process in, load the engine, and serve jobs until stdin ends."""
    control = os.dup(1)
    jobs = os.fdopen(os.dup(0), "r", encoding="utf-8")
    os.set_inheritable(control, False)
    _silence()
    policy = json.loads(jobs.readline())
    try:
        layers = _shut_in(policy)
        _preload(policy)
    except (OSError, ImportError) as error:
        _send(control, {"event": "refused", "text": f"{type(error).__name__}: {error}"})
        return 2
    gc.collect()
    gc.freeze()  # what is loaded is never looked at again: forks share its memory
    _send(control, {"event": "ready", "layers": layers})
    for line in jobs:
        header, payload = _run(json.loads(line), policy)
        _send(control, {**header, "size": len(payload)}, payload)
    return 0


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)


def _send(channel: int, header: Mapping[str, Any], payload: bytes = b"") -> None:
    data = memoryview(json.dumps(header).encode() + b"\n" + payload)
    while data:
        data = data[os.write(channel, data) :]


def _shut_in(policy: Mapping[str, Any]) -> list[str]:
    """Leave the host's file tree, where the kernel lets everybody do so; the forks add their own layers."""
    from llm_plugin.sandbox import namespaces

    readable = [Path(path) for path in policy["readable"]]
    home = Path(policy["home"])
    told = []
    if policy["namespaces"]:
        namespaces.enter(readable, [home], Path(policy["root"]))
        libc = ctypes.CDLL(None, use_errno=True)
        size = f"size={policy['scratch_mib']}m,mode=700,nr_inodes=4096".encode()
        flags = ctypes.c_ulong(_NO_SUID | _NO_DEVICES | _NO_EXECUTION)
        if libc.mount(b"tmpfs", bytes(home), b"tmpfs", flags, size) != 0:
            raise OSError(ctypes.get_errno(), "mount of the temporary folder")
        told.append("namespaces (files, network, IPC)")
    os.chdir(home)
    if not policy["locks"]:
        return ["nothing: the candidate has all rights of its user"]
    return [*told, "resource limits", "Landlock (files, TCP, signals)", "seccomp (sockets, processes)", "audit hook"]


def _preload(policy: Mapping[str, Any]) -> None:
    """Import what candidates need, and let the databases of the data folder be read once; no market data."""
    import ctypes.util
    import zoneinfo

    import numpy as np
    import pandas as pd

    import llm_plugin.engine.runner
    import llm_plugin.sandbox.audit
    import llm_plugin.sandbox.landlock
    import llm_plugin.sandbox.namespaces
    import llm_plugin.sandbox.seccomp
    import llm_plugin.strategies.judge.inmate
    import llm_plugin.strategies.judge.recorder
    from llm_plugin.engine.api import engine_names
    from llm_plugin.engine.market.market_hours import load_market_hours
    from llm_plugin.engine.market.symbol_properties import load_symbol_properties

    engine_names()
    folder = Path(policy["data_folder"])
    load_market_hours(folder)
    load_symbol_properties(folder)
    del ctypes, zoneinfo, np, pd, llm_plugin


def _run(job: Mapping[str, Any], policy: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Fork, collect what the fork writes, and end it when it goes beyond a limit."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = _CRASHED
        try:
            os.close(reading)
            code = _enter(job, policy, writing)
        except BaseException:  # whatever a candidate raises ends here; the log is out of its reach
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    payload, reason = _collect(reading, pid, float(job["wall_seconds"]), int(job["output_mib"]) * _MIB)
    os.close(reading)
    _, status, usage = os.wait4(pid, 0)
    _wipe(Path(policy["home"]))
    code = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return {"event": "ended", "code": code, "reason": reason, "cpu": cpu}, payload


def _collect(reading: int, pid: int, wall_seconds: float, most: int) -> tuple[bytes, str]:
    """Read until the process has ended; kill it when the time is over or it writes too much."""
    ended = os.pidfd_open(pid)
    parts: list[bytes] = []
    size, open_, reason = 0, True, ""
    until = time.monotonic() + wall_seconds
    poll = select.poll()
    poll.register(reading, select.POLLIN | select.POLLHUP)
    poll.register(ended, select.POLLIN)
    try:
        while True:
            left = until - time.monotonic()
            events = dict(poll.poll(max(0.0, left) * 1000)) if left > 0 else {}
            if not events:
                reason = f"it took longer than {wall_seconds:g} s"
            elif open_ and reading in events:
                data = os.read(reading, _READ)
                size += len(data)
                parts.append(data)
                if not data:
                    open_ = False
                    poll.unregister(reading)
                if size > most:
                    reason = f"it wrote more than {most // _MIB} MiB"
            elif ended in events:
                return b"".join(parts), reason
            if reason:
                os.kill(pid, signal.SIGKILL)
                return b"".join(parts), reason
    finally:
        os.close(ended)


def _wipe(home: Path) -> None:
    import shutil

    for entry in list(home.iterdir()):
        with contextlib.suppress(OSError):
            entry.chmod(0o700)
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()


def _enter(job: Mapping[str, Any], policy: Mapping[str, Any], channel: int) -> int:
    """In the fork: close everything, lock, and run the candidate."""
    from llm_plugin.strategies.judge.inmate import run_candidate

    low = 3
    for keep in sorted({channel}):
        os.closerange(low, keep)
        low = keep + 1
    os.closerange(low, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    home = policy["home"]
    os.environ.clear()
    os.environ.update({"HOME": home, "LEAN_LLM_HOME": home, "TMPDIR": home, "OMP_NUM_THREADS": "1"})
    return run_candidate(job, policy, channel)


if __name__ == "__main__":
    sys.exit(main())
