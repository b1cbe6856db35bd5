"""Inside of a candidate's process: put the last layers in force, then run the candidate and write down its requests."""

from __future__ import annotations

import os
import resource
import traceback
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

__all__ = ["run_candidate"]

_MIB = 1 << 20
_MOST_MESSAGE = 3000


def run_candidate(job: Mapping[str, Any], policy: Mapping[str, Any], channel: int) -> int:
    """Lock this process and run the candidate; return the exit code."""
    from llm_plugin.engine.limits import RunLimits
    from llm_plugin.engine.runner import run_backtest
    from llm_plugin.errors import LeanLlmError, UnsupportedLeanApi
    from llm_plugin.sandbox.audit import Guard
    from llm_plugin.strategies.judge.recorder import Recorder, Watcher

    project = Path(job["project"])
    data_folder = Path(job["data_folder"])
    recorder = Recorder(channel, _day(job["start"]), _day(job["end"]), float(job["cash"]), job["cut_us"])
    recorder.install()
    readable = [*policy["python"], str(project), str(data_folder)]
    if policy["locks"]:
        _lock([Path(path) for path in readable], Path(policy["home"]), job, counts_threads=bool(policy["namespaces"]))
    if policy["audit"]:
        Watcher(str(data_folder), str(project), lambda text: recorder.tell("peek", text=text)).install()
        guard = Guard(
            tuple(readable),
            (policy["home"],),
            str(project),
            lambda text: recorder.tell("refusal", text=_short(text, project)),
        )
        guard.install()
        guard.is_watching = True
    _seed()
    kind = message = member = ""
    bars = 0
    try:
        result = run_backtest(
            project,
            data_folder=data_folder,
            results_folder=None,
            start=_day(job["start"]),
            end=_day(job["end"]),
            object_store_folder=Path(policy["home"]) / "storage",
            limits=RunLimits(step_seconds=float(job["wall_seconds"]), memory_mib=1 << 20),
        )
        bars = result.bars
    except UnsupportedLeanApi as error:
        kind, message, member = type(error).__name__, str(error), error.member
    except LeanLlmError as error:
        kind, message = type(error).__name__, str(error)
    except BaseException as error:
        kind, message = type(error).__name__, "".join(traceback.format_exception_only(error)).strip()
    message = message.replace(str(project) + os.sep, "")[:_MOST_MESSAGE]
    recorder.tell("end", kind=kind, message=message, member=str(member), bars=bars)
    recorder.flush()
    return 0


def _lock(readable: list[Path], home: Path, job: Mapping[str, Any], *, counts_threads: bool) -> None:
    """Limits, no capabilities, Landlock, seccomp: from here on the process reaches nothing else."""
    from llm_plugin.sandbox import landlock, namespaces, seccomp

    seconds = int(job["cpu_seconds"])
    wanted = {
        resource.RLIMIT_AS: int(job["memory_mib"]) * _MIB,
        resource.RLIMIT_FSIZE: int(job["scratch_mib"]) * _MIB,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 128,
        resource.RLIMIT_MEMLOCK: 0,
    }
    if counts_threads:
        wanted[resource.RLIMIT_NPROC] = 24
    for kind, most in wanted.items():
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (value, value))
    os.chdir(home)
    os.dup2(1, 2)  # nothing: the log of the nursery is no place for a candidate
    namespaces.drop_capabilities()
    landlock.restrict(readable, [home])
    seccomp.install()


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _short(text: str, project: Path) -> str:
    return text.replace(str(project) + os.sep, "")[:400]


def _seed() -> None:
    """Draw alike in every run: a fork seeds Python's generator anew, and two runs of one candidate would differ."""
    import random

    import numpy as np

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the global state is what candidates draw from
