"""One run on a real LEAN: started, followed, stopped, and its results read as the embedded engine's are."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from llm_plugin.errors import AlgorithmError, LeanLlmError, RecordError
from llm_plugin.runs.engines import lean_command
from llm_plugin.runs.lean_results import LeanResults, data_points, read_results
from llm_plugin.runs.worker import WorkerSpec

__all__ = ["run_lean"]

LOG_NAME = "lean.log"
TAIL_LINES = 15
STOP_SECONDS = 60.0
_DAY = re.compile(r"\b(\d{4}-\d{2}-\d{2})[ T]\d{2}:\d{2}")
OnDay = Callable[[str], None]


def run_lean(spec: WorkerSpec, on_day: OnDay) -> dict[str, Any]:
    """Run a specification on a real LEAN and return what the embedded engine's worker returns.

    Ctrl-C is passed on: LEAN stops and writes partial results; a second one kills it.

    Args:
        spec: What to run; its `engine` is `local` or `docker`.
        on_day: Called with days that LEAN's output names, as they come.

    Raises:
        AlgorithmError: The algorithm raised inside LEAN.
        LeanLlmError: LEAN ended without results; the message has the end of its output.
    """
    command = lean_command(spec)
    folder = Path(spec.run_folder)
    began = time.monotonic()
    log = folder / LOG_NAME
    try:
        process = subprocess.Popen(  # noqa: S603 - LEAN itself, arguments as a list
            command.arguments,
            cwd=command.folder,
            env={**os.environ, **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise LeanLlmError(f"cannot start {command.arguments[0]}: {error.strerror or error}") from error
    try:
        interrupted, tail = _follow(process, log, on_day)
    except BaseException:
        process.kill()
        raise
    seconds = time.monotonic() - began
    try:
        results = read_results(folder)
    except RecordError as error:
        if interrupted:
            raise KeyboardInterrupt from error
        raise LeanLlmError(_no_results(process.returncode, command.arguments, log, tail, error)) from error
    if not interrupted and (process.returncode != 0 or results.error):
        _check(results, process.returncode, log, tail)
    return {
        "algorithm_id": results.algorithm_id,
        "status": results.status or ("Stopped" if interrupted else "Completed"),
        "bars": data_points(tail) or data_points(results.log_lines),
        "seconds": seconds,
        "statistics": results.statistics,
        "orders_hash": results.order_list_hash,
        "error": results.error,
    }


def _follow(process: subprocess.Popen[str], log: Path, on_day: OnDay) -> tuple[bool, list[str]]:
    """Copy LEAN's output to a file until it ends; return whether Ctrl-C came, and the last lines."""
    tail: deque[str] = deque(maxlen=200)
    interrupts = 0
    stream = process.stdout
    if stream is None:
        raise LeanLlmError("LEAN's output cannot be read")
    with log.open("w", encoding="utf-8") as file, stream:
        while True:
            try:
                line = stream.readline()
                if not line:
                    break
                file.write(line)
                file.flush()
                tail.append(line.rstrip("\n"))
                found = _DAY.search(line)
                if found:
                    on_day(found.group(1))
            except KeyboardInterrupt:
                interrupts += 1
                _stop(process, interrupts)
        while process.poll() is None:
            try:
                process.wait(timeout=STOP_SECONDS)
            except KeyboardInterrupt:
                interrupts += 1
                _stop(process, interrupts)
            except subprocess.TimeoutExpired:
                process.kill()
    return interrupts > 0, list(tail)


def _stop(process: subprocess.Popen[str], times: int) -> None:
    """Ask LEAN to stop; kill it when it is asked for the third time."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT if times < 3 else signal.SIGKILL)


def _check(results: LeanResults, code: int, log: Path, tail: list[str]) -> None:
    if results.error:
        raise AlgorithmError(f"{results.error.splitlines()[0]} (all of it: {log})")
    raise LeanLlmError(f"LEAN ended with exit code {code} after it wrote results; the end of {log}:\n{_end(tail)}")


def _no_results(code: int, arguments: list[str], log: Path, tail: list[str], error: RecordError) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        cause = f"was killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
    else:
        cause = f"ended with exit code {code}"
    return f"{' '.join(arguments[:2])} {cause}: {error}; the end of {log}:\n{_end(tail)}"


def _end(tail: list[str]) -> str:
    return "\n".join(tail[-TAIL_LINES:]) or "(it printed nothing)"


def day_fraction(day: str, start: str, end: str) -> float:
    """Return how far a day lies between two others; 0 where the period is not known."""
    try:
        first, last, now = (datetime.fromisoformat(text) for text in (start, end, day))
    except ValueError:
        return 0.0
    span = (last - first).total_seconds()
    return min(1.0, max(0.0, (now - first).total_seconds() / span)) if span > 0 else 0.0
