"""Runs workers beside each other, relays their progress and stops them cleanly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_plugin.runs.worker import WorkerSpec
from llm_plugin.threads import thread_limits

__all__ = ["OnEvent", "WorkerHandle", "start_worker"]

STOP_SECONDS = 10.0
STOP_ATTEMPTS = 3

OnEvent = Callable[[str, Mapping[str, Any]], None]


@dataclass(slots=True)
class WorkerHandle:
    """A running arm; `wait` gives its last event (`done` or `error`)."""

    arm: str
    process: subprocess.Popen[str]
    log: Path
    final: dict[str, Any] = field(default_factory=dict)
    reader: threading.Thread | None = None

    def wait(self) -> dict[str, Any]:
        """Block until the worker ends; a worker that died without a word becomes an error event."""
        code = self.process.wait()
        if self.reader is not None:
            self.reader.join()
        if not self.final:
            tail = "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
            self.final = {
                "event": "error",
                "kind": "WorkerDied",
                "exit_code": code or 1,
                "message": f"arm '{self.arm}' ended with exit code {code}; the end of {self.log}:\n{tail}",
            }
        return self.final

    def wait_stopped(self) -> dict[str, Any]:
        """Wait for a worker that was told to stop: one that does not listen is told again, and then killed."""
        for _ in range(STOP_ATTEMPTS):
            try:
                self.process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.interrupt()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)  # a worker leads a group of its own: a LEAN it runs ends too
        return self.wait()

    def interrupt(self) -> None:
        """Ask the worker to stop with partial results, as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)


def start_worker(spec: WorkerSpec, on_event: OnEvent, *, threads: int) -> WorkerHandle:
    """Start one arm.

    Args:
        spec: What to run; its run folder must exist.
        on_event: Called with the arm's name and each event, from a reader thread.
        threads: Threads that numerical libraries may use in this worker.
    """
    folder = Path(spec.run_folder)
    spec_file = folder / "worker.json"
    spec.write(spec_file)
    log = folder / "worker.log"
    env = {**os.environ, **thread_limits(threads), "PYTHONUNBUFFERED": "1"}
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(  # noqa: S603 - our own module with our own file
            [sys.executable, "-m", "llm_plugin.runs.worker", str(spec_file)],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env=env,
            start_new_session=True,
        )
    handle = WorkerHandle(spec.arm, process, log)
    handle.reader = threading.Thread(target=_relay, args=(handle, on_event), daemon=True)
    handle.reader.start()
    return handle


def _relay(handle: WorkerHandle, on_event: OnEvent) -> None:
    stream = handle.process.stdout
    if stream is None:
        return
    with stream:
        for line in stream:
            event = json.loads(line)
            if event["event"] in ("done", "error"):
                handle.final = event
            on_event(handle.arm, event)
