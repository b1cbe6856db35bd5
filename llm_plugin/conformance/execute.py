"""Runs candidates in parallel processes: own folder, own time limit, own memory limit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_plugin.conformance.catalogue import Candidate
from llm_plugin.conformance.judge import Verdict, judge
from llm_plugin.threads import thread_limits

__all__ = ["Conditions", "execute", "outcome_of"]


@dataclass(frozen=True)
class Conditions:
    """Where and under which limits algorithms run."""

    data: Path
    work: Path
    jobs: int = 2
    seconds: float = 600.0
    memory_mib: int = 6144
    absent: Sequence[str] = field(default_factory=tuple)
    parameters: Mapping[str, str] = field(default_factory=dict)


def execute(
    candidates: Sequence[Candidate], conditions: Conditions, on_verdict: Callable[[Verdict], None] | None = None
) -> list[Verdict]:
    """Run all candidates and judge them, in their order.

    Args:
        candidates: What to run.
        conditions: Where and how.
        on_verdict: Called with each verdict as it comes.
    """

    def one(candidate: Candidate) -> Verdict:
        verdict = judge(candidate, outcome_of(candidate, conditions))
        if on_verdict is not None:
            on_verdict(verdict)
        return verdict

    with ThreadPoolExecutor(max(1, conditions.jobs)) as pool:
        try:
            return list(pool.map(one, candidates))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise


def outcome_of(candidate: Candidate, conditions: Conditions) -> dict[str, Any]:
    """Run one candidate in a process of its own and return what it wrote."""
    folder = conditions.work / candidate.name
    launcher = _prepare(folder, conditions)
    job = folder / "job.json"
    job.write_text(
        json.dumps(
            {
                "path": str(candidate.path.resolve()),
                "data": str(conditions.data.resolve()),
                "roots": [str(conditions.data.resolve().parent), str(folder.resolve())],
                "results": str(folder.resolve() / "results"),
                "memory_mib": conditions.memory_mib,
                "absent": list(conditions.absent),
                "parameters": dict(conditions.parameters),
            }
        ),
        encoding="utf-8",
    )
    began = time.monotonic()
    ended = _process(job.resolve(), launcher, folder, conditions)
    written = folder / "outcome.json"
    if ended:
        return {"kind": ended, "error": f"stopped after {conditions.seconds:g} s", "seconds": conditions.seconds}
    if not written.is_file():
        lines = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        text = lines[-1] if lines else "it wrote nothing"
        return {"kind": "crash", "error": text, "seconds": time.monotonic() - began}
    outcome: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    return outcome


def _prepare(folder: Path, conditions: Conditions) -> Path:
    """Make an empty run folder in which LEAN's relative paths (`../../../Data`, `../../../Tests`) lead to files."""
    if folder.is_dir():
        shutil.rmtree(folder)
    launcher = folder / "Launcher" / "bin" / "Debug"
    launcher.mkdir(parents=True)
    (folder / "Data").symlink_to(conditions.data.resolve())
    samples = conditions.data.resolve().parent / "Tests"
    if samples.is_dir():
        (folder / "Tests").symlink_to(samples)
    cache = conditions.work / "cache"
    cache.mkdir(exist_ok=True)
    home = folder / "home"
    home.mkdir()
    # Decoded bars are the same for all; the object store is not.
    (home / "cache").symlink_to(cache.resolve())
    return launcher


def _process(job: Path, launcher: Path, folder: Path, conditions: Conditions) -> str:
    environment = {
        **os.environ,
        "LEAN_LLM_HOME": str(folder.resolve() / "home"),
        "PYTHONPATH": os.pathsep.join([_package_root(), *filter(None, [os.environ.get("PYTHONPATH")])]),
        **thread_limits(1),
    }
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "llm_plugin.conformance.child", str(job)],
            cwd=launcher, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(conditions.seconds)
        except subprocess.TimeoutExpired:
            return "time"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return ""


def _package_root() -> str:
    return str(Path(__file__).resolve().parents[2])
