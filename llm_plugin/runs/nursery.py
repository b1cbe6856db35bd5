"""A process that has the engine loaded and runs each project in a fork of its own.

`python -m llm_plugin.runs.nursery N`: one job per line on stdin, about N of them, events as JSON lines on stdout. A
fork costs milliseconds where a start costs the imports; it sees nothing of the projects before it, and what it breaks
ends with it.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from llm_plugin.errors import LeanLlmError, os_error_text
from llm_plugin.runs.pace import STOPPED, Paced
from llm_plugin.runs.warm_up import PAYS_FROM, warm_up

__all__ = ["main", "run_job"]

CRASHED = 1
LOG = "run.log"
# Histories that are kept decoded for the next projects, and the bytes of their names.
_MOST_KEPT, _MOST_TOLD = 16, 1 << 14
# Imported before the next fork if a project has used it, by the engine for its frames or by itself.
_PANDAS = "pandas"


def main() -> int:
    """Serve jobs until stdin ends; Ctrl-C (or SIGINT from the parent) reaches the project that runs."""
    channel = os.dup(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with _for_good():
        _preload()
    _send(channel, {"event": "ready", "pid": os.getpid()})
    kept: set[str] = set()
    is_cold = len(sys.argv) > 1 and int(sys.argv[1]) >= PAYS_FROM
    for line in sys.stdin:
        job = json.loads(line)
        if is_cold:
            is_cold = False
            warm_up(Path(job["data_folder"]))
            gc.collect()
        _read_databases(Path(job["data_folder"]))
        if _PANDAS in kept:
            with _for_good():
                import_module(_PANDAS)
        told, telling = os.pipe()
        child = os.fork()
        if child == 0:
            _child(channel, telling, job)
        os.close(telling)
        _send(channel, {"event": "started", "pid": child})
        _, status = os.waitpid(child, 0)
        _send(channel, {"event": "ended", "exit_code": os.waitstatus_to_exitcode(status)})
        _keep_files(told, Path(job["data_folder"]).resolve(), kept)
    return 0


@contextmanager
def _for_good() -> Iterator[None]:
    """Keep what is imported: a collector that went over it would find next to nothing, and copy a fork's pages."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _preload() -> None:
    """Import and work out what every project needs, before the first fork."""
    from llm_plugin.engine.base.zones import zone
    from llm_plugin.engine.importer import lean_names

    lean_names()
    for name in ("UTC", "America/New_York"):
        zone(name)


def _read_databases(data_folder: Path) -> None:
    """Read what every project on a data folder looks into, unless it was read and has not changed since."""
    from llm_plugin.engine.market.market_hours import load_market_hours
    from llm_plugin.engine.market.symbol_properties import load_symbol_properties

    try:
        load_symbol_properties(data_folder.resolve())
        load_market_hours(data_folder.resolve())
    except (LeanLlmError, OSError, ValueError):
        # The project tells what is wrong with them.
        return
    gc.freeze()


def _keep_files(told: int, data_folder: Path, kept: set[str]) -> None:
    """Decode the histories that a project has read, for those that come after it.

    Args:
        told: Pipe with the histories, and pandas; the project may have died before it told any, or lie.
        data_folder: Where their files have to be.
        kept: What was decoded, and pandas.
    """
    from llm_plugin.engine.data.histories import History
    from llm_plugin.engine.data.lean_data import read_history

    os.set_blocking(told, False)
    with os.fdopen(told, "rb") as pipe:
        lines = (pipe.read(_MOST_TOLD) or b"").decode(errors="replace").split("\n")
    if lines[0] == _PANDAS:
        kept.add(lines.pop(0))
    for line in lines:
        if line in kept or len(kept) >= _MOST_KEPT:
            continue
        try:
            history = History.from_told(json.loads(line))
            path = history.path.resolve()
            if path.is_file() and path.is_relative_to(data_folder):
                kept.add(line)
                read_history(history)
        except (LeanLlmError, OSError, ValueError, TypeError, KeyError):
            # What it told is no history, or one with which a project that reads it tells what is wrong.
            continue
    gc.freeze()


def _tell_files(telling: int) -> None:
    """Tell which histories the project has read, and before them whether it has used pandas."""
    from llm_plugin.engine.data.histories import histories

    used = [_PANDAS] if _PANDAS in sys.modules else []
    text = "\n".join([*used, *(json.dumps(history.told()) for history in histories())]).encode()
    # What does not fit into a pipe would wait for a reader.
    if len(text) <= _MOST_TOLD:
        os.write(telling, text)


def _send(channel: int, event: Mapping[str, Any]) -> None:
    # One write: a line of the child and one of its parent never mix.
    os.write(channel, (json.dumps(event) + "\n").encode())


def _child(channel: int, telling: int, job: Mapping[str, Any]) -> None:
    """Run a job and end the process; never returns."""
    code = CRASHED
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        folder = Path(job["run_folder"])
        log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        silent = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((silent, 0), (log, 1), (log, 2)):
            os.dup2(old, new)
        code = run_job(job, lambda event: _send(channel, event))
        _tell_files(telling)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def run_job(job: Mapping[str, Any], send: Any) -> int:
    """Run one project on the embedded engine, tell how it goes, and return its exit code."""
    from llm_plugin.engine.runner import run_backtest

    paced = Paced()

    def on_progress(progress: Any) -> None:
        if paced():
            send(
                {"event": "progress", "bars": progress.bars, "fraction": progress.fraction, "time": str(progress.time)}
            )

    try:
        result = run_backtest(
            Path(job["project"]),
            data_folder=Path(job["data_folder"]),
            results_folder=Path(job["run_folder"]),
            parameters=job["parameters"],
            start=date.fromisoformat(job["start"]) if job["start"] else None,
            end=date.fromisoformat(job["end"]) if job["end"] else None,
            on_progress=on_progress,
        )
    except LeanLlmError as error:
        send({"event": "error", "kind": type(error).__name__, "message": str(error), "exit_code": error.exit_code})
        return error.exit_code
    except KeyboardInterrupt:
        send({"event": "error", "kind": "Stopped", "message": "stopped by Ctrl-C", "exit_code": STOPPED})
        return STOPPED
    except OSError as error:
        send({"event": "error", "kind": type(error).__name__, "message": os_error_text(error), "exit_code": CRASHED})
        return CRASHED
    done = {
        "status": result.status,
        "bars": result.bars,
        "seconds": result.seconds,
        "orders": len(result.orders),
        "orders_hash": result.order_list_hash,
        "statistics": result.statistics,
    }
    send({"event": "done", **done})
    return STOPPED if result.interrupted else 0


if __name__ == "__main__":
    # Nothing is open: taking all modules apart would only have others wait.
    os._exit(main())
