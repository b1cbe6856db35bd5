"""Many projects beside each other, each in a process and folder of its own; one that fails stops no other."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llm_plugin.runs.cluster import completed, dask_client
from llm_plugin.runs.nursery import LOG
from llm_plugin.runs.pace import STOPPED
from llm_plugin.threads import thread_limits

__all__ = ["Job", "Outcome", "run_many", "run_on_dask"]

OnEvent = Callable[[str, Mapping[str, Any]], None]
_END_SECONDS = 10.0
# glibc would give freed memory back to the system during a run, and take it again page by page.
_KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 28), "MALLOC_MMAP_THRESHOLD_": str(1 << 28)}


@dataclass(frozen=True, slots=True)
class Job:
    """One project: paths are absolute, dates ISO or empty; with a command, that runs it instead of the engine alone."""

    name: str
    project: str
    data_folder: str
    run_folder: str
    parameters: dict[str, str] = field(default_factory=dict)
    start: str = ""
    end: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a project ended: `error` is empty where it ended well."""

    name: str
    run_folder: str
    exit_code: int
    status: str = ""
    error: str = ""
    bars: int = 0
    seconds: float = 0.0
    orders: int = 0
    orders_hash: str = ""
    statistics: dict[str, str] = field(default_factory=dict)


def _environment() -> dict[str, str]:
    return {**thread_limits(1), **_KEEP_MEMORY, **os.environ, "PYTHONUNBUFFERED": "1"}


class _Slot:
    """A nursery and the job that runs in it; a nursery that dies is replaced by the next job.

    Args:
        expected: How many jobs it will get, about.
    """

    def __init__(self, expected: int = 1) -> None:
        self._expected = expected
        self._process: subprocess.Popen[str] | None = None
        self._child = 0
        self._lock = threading.Lock()
        self._stopping = False

    def run(self, job: Job, on_event: OnEvent) -> Outcome:
        """Run one job to its end."""
        if self._stopping:
            return Outcome(job.name, job.run_folder, STOPPED, "Stopped", "not started")
        return self._command(job, on_event) if job.command else self._fork(job, on_event)

    def _fork(self, job: Job, on_event: OnEvent) -> Outcome:
        process = self._ready()
        final: dict[str, Any] = {}
        code = 1
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the nursery was started without pipes")
        try:
            process.stdin.write(json.dumps(asdict(job)) + "\n")
            process.stdin.flush()
        except OSError:
            return _died(job, 1)
        for line in process.stdout:
            event = json.loads(line)
            kind = event["event"]
            if kind == "started":
                with self._lock:
                    self._child = event["pid"]
                if self._stopping:
                    self.interrupt()
            elif kind == "ended":
                code = event["exit_code"]
                break
            elif kind in ("done", "error"):
                final = event
            elif kind == "progress":
                on_event(job.name, event)
        with self._lock:
            self._child = 0
        return _outcome(job, code, final)

    def _command(self, job: Job, on_event: OnEvent) -> Outcome:
        log = Path(job.run_folder) / LOG
        with log.open("w", encoding="utf-8") as stream:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                job.command,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                env=_environment(),
                start_new_session=True,
            )
            with self._lock:
                self._child = process.pid
            text, _ = process.communicate()
        with self._lock:
            self._child = 0
        if process.returncode:
            return _died(job, process.returncode)
        summary = json.loads(text)
        final = {
            "event": "done",
            "status": "Completed",
            "bars": summary["bars"],
            "seconds": summary["bars"] / summary["bars_per_second"] if summary["bars_per_second"] else 0.0,
            "orders": 0,
            "orders_hash": summary["orders_hash"],
            "statistics": dict(summary.get("statistics") or {}),
        }
        return _outcome(job, 0, final)

    def _ready(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "llm_plugin.runs.nursery", str(self._expected)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=_environment(),
                start_new_session=True,
            )
        return self._process

    def interrupt(self) -> None:
        """Stop the job that runs, with partial results; the slot takes no other."""
        with self._lock:
            self._stopping = True
            if self._child:
                try:
                    os.kill(self._child, signal.SIGINT)
                except ProcessLookupError:
                    self._child = 0

    def close(self) -> None:
        """End the nursery."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _outcome(job: Job, code: int, final: Mapping[str, Any]) -> Outcome:
    kind = final.get("event")
    if kind == "done":
        names = ("status", "bars", "seconds", "orders", "orders_hash", "statistics")
        return Outcome(job.name, job.run_folder, code, **{name: final[name] for name in names})
    if kind == "error":
        return Outcome(job.name, job.run_folder, code or 1, final["kind"], final["message"])
    return _died(job, code)


def _died(job: Job, code: int) -> Outcome:
    log = Path(job.run_folder) / LOG
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    told = f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
    tail = "\n".join(text.splitlines()[-12:])
    message = f"{told}; the end of {log}:\n{tail}" if tail else f"{told} without a word"
    return Outcome(job.name, job.run_folder, code if code > 0 else 1, "Failed", message)


def run_many(jobs: Sequence[Job], workers: int, on_event: OnEvent) -> tuple[list[Outcome], bool]:
    """Run projects on processes of this machine.

    Ctrl-C stops those that run, with partial results, and starts no others.

    Args:
        jobs: What to run; their run folders exist and their names are unique.
        workers: How many at a time.
        on_event: Called from the caller's thread with a job's name and an event: `progress`, `done` or `error`.

    Returns:
        The outcomes in the order of the jobs, and whether Ctrl-C stopped the run.
    """
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    events: queue.Queue[tuple[str, Mapping[str, Any] | Outcome | BaseException]] = queue.Queue()
    count = max(1, min(workers, len(jobs)))
    slots = [_Slot(len(jobs) // count) for _ in range(count)]

    def serve(slot: _Slot) -> None:
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                events.put((job.name, slot.run(job, lambda name, event: events.put((name, event)))))
            except BaseException as error:
                events.put((job.name, error))
                return

    threads = [threading.Thread(target=serve, args=(slot,), daemon=True) for slot in slots]
    for thread in threads:
        thread.start()
    found, interrupted = _gather(len(jobs), events, on_event, slots)
    for thread in threads:
        thread.join()
    for slot in slots:
        slot.close()
    return [found[job.name] for job in jobs], interrupted


def _gather(
    count: int, events: queue.Queue[Any], on_event: OnEvent, slots: Sequence[_Slot]
) -> tuple[dict[str, Outcome], bool]:
    found: dict[str, Outcome] = {}
    interrupted = False
    while len(found) < count:
        try:
            name, event = events.get()
        except KeyboardInterrupt:
            interrupted = True
            for slot in slots:
                slot.interrupt()
            continue
        if isinstance(event, BaseException):
            raise event
        if isinstance(event, Outcome):
            found[name] = event
            on_event(name, _final(event))
        else:
            on_event(name, event)
    return found, interrupted


def _final(outcome: Outcome) -> dict[str, Any]:
    if outcome.error:
        return {"event": "error", "kind": outcome.status, "message": outcome.error}
    return {"event": "done", "bars": outcome.bars, "seconds": outcome.seconds}


_local = threading.local()


def run_one(job: Job) -> Outcome:
    """Run a job where a Dask worker is; the nursery serves the next jobs of this thread too."""
    slot = getattr(_local, "slot", None)
    if slot is None:
        slot = _local.slot = _Slot()
    Path(job.run_folder).mkdir(parents=True, exist_ok=True)
    outcome: Outcome = slot.run(job, lambda name, event: None)
    return outcome


def run_on_dask(jobs: Sequence[Job], address: str, workers: int, on_event: OnEvent) -> tuple[list[Outcome], bool]:
    """Run projects on a Dask cluster; their paths must lie at the same places on its workers.

    Args:
        jobs: What to run.
        address: Of a scheduler; `local` starts one here for the time being.
        workers: Processes of the local one.
        on_event: Called with a job's name and its end.

    Returns:
        As `run_many`.

    Raises:
        BackendUnavailable: No scheduler answers there.
    """
    found: dict[str, Outcome] = {}
    interrupted = False
    with dask_client(address, workers) as client:
        futures = {client.submit(run_one, job, pure=False): job for job in jobs}
        try:
            for future in completed(list(futures)):
                job, error = futures[future], future.exception()
                outcome = future.result() if error is None else _lost(job, error)
                found[job.name] = outcome
                on_event(job.name, _final(outcome))
        except KeyboardInterrupt:
            interrupted = True
            client.cancel(list(futures), force=True)
    never = {job.name: Outcome(job.name, job.run_folder, STOPPED, "Stopped", "stopped by Ctrl-C") for job in jobs}
    return [found.get(job.name, never[job.name]) for job in jobs], interrupted


def _lost(job: Job, error: BaseException) -> Outcome:
    return Outcome(job.name, job.run_folder, 1, type(error).__name__, str(error))
