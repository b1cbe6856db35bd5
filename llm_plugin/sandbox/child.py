"""A process that runs backtests for another one: requests as JSON lines on stdin, events as JSON lines on stdout.

With a policy it shuts itself in before it imports the engine, and runs what it is given from inside.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import threading
import time
from datetime import date
from pathlib import Path
from typing import IO, Any

__all__ = ["main"]

PROGRESS_SECONDS = 0.25
BEAT_SECONDS = 1.0


class _Channel:
    """Where events go; whatever an algorithm prints goes elsewhere."""

    def __init__(self) -> None:
        self._stream: IO[str] = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def send(self, event: str, **values: Any) -> None:
        with self._lock:
            self._stream.write(json.dumps({"event": event, **values}) + "\n")


def main() -> int:
    """Serve requests until stdin ends; return the exit code."""
    channel = _Channel()
    faulthandler.register(signal.SIGUSR1, all_threads=False)  # tells where a run hangs, even inside of C
    first = json.loads(sys.stdin.readline())
    guard = None
    if first.get("policy") is not None:
        guard = _shut_in(first["policy"], first["project"], channel)
        if guard is None:
            return 2
    channel.send("ready")
    for line in sys.stdin:
        channel.send("done", **_serve(json.loads(line), channel, guard))
    return 0


def _shut_in(values: dict[str, Any], project: str, channel: _Channel) -> Any:
    from llm_plugin.errors import SandboxUnavailable
    from llm_plugin.sandbox.audit import Guard
    from llm_plugin.sandbox.policy import SandboxPolicy, apply, require_layers

    policy = SandboxPolicy.from_json(values)
    try:
        told = apply(policy, require_layers())
    except SandboxUnavailable as error:
        channel.send("refused", problems=error.problems)
        return None
    guard = Guard(policy.readable, policy.writable, project, lambda text: channel.send("refusal", text=text))
    if policy.use_audit:
        _import_engine()
        guard.install()
        told.append("audit hook (file and line of what was refused)")
    channel.send("locked", layers=told)
    return guard


def _import_engine() -> None:
    """Import what loads C libraries while nothing watches yet."""
    import ctypes.util
    import multiprocessing
    import zoneinfo

    import pandas as pd

    import llm_plugin.engine.api
    import llm_plugin.engine.runner

    del ctypes, multiprocessing, zoneinfo, pd, llm_plugin


def _serve(request: dict[str, Any], channel: _Channel, guard: Any) -> dict[str, Any]:
    from llm_plugin.errors import LeanLlmError

    stop = threading.Event()
    state = {"time": "", "bars": 0}
    beat = threading.Thread(target=_beat, args=(channel, stop, state), daemon=True)
    beat.start()
    try:
        return _run(request, channel, guard, state)
    except LeanLlmError as error:
        return _failure(error)
    except KeyboardInterrupt:
        return {"error": "stopped by Ctrl-C", "kind": "Stopped", "exit_code": 130, "status": "Stopped"}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "kind": type(error).__name__, "exit_code": 1, "status": ""}
    finally:
        stop.set()


def _beat(channel: _Channel, stop: threading.Event, state: dict[str, Any]) -> None:
    parent = os.getppid()
    while not stop.wait(BEAT_SECONDS):
        if os.getppid() != parent:
            os._exit(1)  # nobody waits for the answer any more
        channel.send("beat", **state)


def _failure(error: Any) -> dict[str, Any]:
    return {"error": str(error), "kind": type(error).__name__, "exit_code": error.exit_code, "status": "RuntimeError"}


def _run(request: dict[str, Any], channel: _Channel, guard: Any, state: dict[str, Any]) -> dict[str, Any]:
    from llm_plugin.engine.data.bad_data import BadData
    from llm_plugin.engine.limits import LEAN_STEP_SECONDS, RunLimits
    from llm_plugin.engine.runner import algorithm_period, run_backtest
    from llm_plugin.errors import LeanLlmError

    last = 0.0

    def on_progress(progress: Any) -> None:
        nonlocal last
        now = time.monotonic()
        state.update(time=str(progress.time), bars=progress.bars)
        if now - last >= PROGRESS_SECONDS:
            last = now
            channel.send("progress", bars=progress.bars, fraction=progress.fraction, time=str(progress.time))

    def on_stuck(reason: str) -> None:
        channel.send("done", error=reason, kind="LimitExceeded", exit_code=8, status="RuntimeError")
        os._exit(8)

    limits = RunLimits(
        request.get("step_seconds") or LEAN_STEP_SECONDS,
        request.get("run_seconds"),
        request.get("memory_mib"),
        on_stuck,
    )
    policy = BadData(request.get("bad_data") or "stop", request.get("missing_data") or "tell")
    results = request.get("results_folder")
    store = request.get("object_store_folder")
    if guard is not None:
        guard.is_watching = True
    failure: Any = None
    result: Any = None
    try:
        if request.get("only_period"):
            first, last_day = algorithm_period(
                Path(request["project"]),
                data_folder=Path(request["data_folder"]),
                parameters=request.get("parameters") or {},
                limits=limits,
            )
            return {"start": first.isoformat(), "end": last_day.isoformat(), "error": "", "exit_code": 0}
        result = run_backtest(
            Path(request["project"]),
            data_folder=Path(request["data_folder"]),
            results_folder=Path(results) if results else None,
            parameters=request.get("parameters") or {},
            start=date.fromisoformat(request["start"]) if request.get("start") else None,
            end=date.fromisoformat(request["end"]) if request.get("end") else None,
            on_progress=on_progress,
            algorithm_class=request.get("algorithm_class"),
            object_store_folder=Path(store) if store else None,
            limits=limits,
            data_policy=policy,
        )
    except LeanLlmError as error:
        failure, result = error, getattr(error, "result", None)
        if result is None:
            raise
    finally:
        if guard is not None:
            guard.is_watching = False
    return {**_told(result, failure), "notes": policy.lines()}


def _told(result: Any, failure: Any) -> dict[str, Any]:
    days, closes = _daily(result)
    return {
        "status": result.status,
        "algorithm_id": result.algorithm_id,
        "statistics": result.statistics,
        "orders_hash": result.order_list_hash,
        "orders": len(result.orders),
        "bars": result.bars,
        "seconds": result.seconds,
        "interrupted": result.interrupted,
        "days": days,
        "equity": closes,
        "files": {name: str(path) for name, path in result.files.items()},
        "error": result.error or "",
        "kind": type(failure).__name__ if failure is not None else "",
        "exit_code": failure.exit_code if failure is not None else 0,
    }


def _daily(result: Any) -> tuple[list[str], list[float]]:
    """Return the days of the equity curve, in the algorithm's time zone, and the last value of each."""
    from llm_plugin.engine.base.zones import from_us, to_us

    state = result.run_state
    chart = state.charts.get("Strategy Equity") if state is not None else None
    last: dict[str, float] = {}
    if chart is not None:
        where = result.algorithm._engine.clock.zone
        for moment, value in chart.series["Equity"].points():
            # A sample at midnight closes the day before it.
            last[f"{from_us(where.local(to_us(moment)) - 1):%Y-%m-%d}"] = float(value)
    return list(last), list(last.values())


if __name__ == "__main__":
    sys.exit(main())
