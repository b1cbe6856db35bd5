"""One arm in a process of its own: `python -m llm_plugin.runs.worker SPEC.json`, progress as JSON lines on stdout."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from llm_plugin.errors import AlgorithmError, DataError, LeanLlmError, StoreUnavailable, os_error_text
from llm_plugin.files import write_whole
from llm_plugin.runs.pace import STOPPED, Paced

__all__ = ["WorkerSpec", "main"]


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What one arm runs; paths are absolute, dates ISO or empty for the algorithm's own."""

    arm: str
    project: str
    data_folder: str
    run_folder: str
    config: str
    parameters: dict[str, str] = field(default_factory=dict)
    start: str = ""
    end: str = ""
    engine: str = "embedded"
    run_options: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the specification as JSON."""
        write_whole(path, json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> WorkerSpec:
        """Read a specification written by `write`."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def main(argv: list[str] | None = None) -> int:
    """Run the arm of a specification file and return the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    spec = WorkerSpec.read(Path(arguments[0]))
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever an algorithm prints goes to the worker's log, never between the progress lines
    try:
        _send(channel, "done", **(_run(spec, channel) if spec.engine == "embedded" else _run_lean(spec, channel)))
    except LeanLlmError as error:
        _send(channel, "error", kind=type(error).__name__, message=str(error), exit_code=error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:  # while modules load or results are written; between bars the engine sees to it
        _send(channel, "error", kind="Stopped", message="stopped by Ctrl-C", exit_code=STOPPED)
        return STOPPED
    except OSError as error:
        code = StoreUnavailable.exit_code
        _send(channel, "error", kind=type(error).__name__, message=os_error_text(error), exit_code=code)
        return code
    finally:
        channel.close()
    return 0


def _run(spec: WorkerSpec, channel: Any) -> dict[str, Any]:
    from llm_plugin.engine.runner import run_backtest
    from llm_plugin.runs.run_options import RunOptions, write_note

    paced = Paced()

    def on_progress(progress: Any) -> None:
        if paced():
            _send(channel, "progress", bars=progress.bars, fraction=progress.fraction, time=str(progress.time))

    def on_stuck(reason: str) -> None:
        _send(channel, "error", kind="LimitExceeded", message=reason, exit_code=AlgorithmError.exit_code)
        os._exit(AlgorithmError.exit_code)

    given = RunOptions(**spec.run_options)
    policy = given.policy()
    parameters = {**spec.parameters, "llm-config": spec.config, "llm-run-dir": spec.run_folder}
    result = run_backtest(
        Path(spec.project),
        data_folder=Path(spec.data_folder),
        results_folder=Path(spec.run_folder),
        parameters=parameters,
        start=date.fromisoformat(spec.start) if spec.start else None,
        end=date.fromisoformat(spec.end) if spec.end else None,
        on_progress=on_progress,
        limits=given.limits(on_stuck),
        data_policy=policy,
    )
    write_note(policy, Path(spec.run_folder))
    if not result.bars and not result.interrupted:
        raise DataError(_no_bars(result.algorithm, Path(spec.data_folder)))
    return {
        "algorithm_id": result.algorithm_id,
        "status": result.status,
        "bars": result.bars,
        "seconds": result.seconds,
        "statistics": result.statistics,
        "orders_hash": result.order_list_hash,
        "error": result.error or "",
    }


def _run_lean(spec: WorkerSpec, channel: Any) -> dict[str, Any]:
    from llm_plugin.runs.lean_process import day_fraction, run_lean

    paced = Paced()

    def on_day(day: str) -> None:
        if paced():
            fraction = day_fraction(day, spec.start, spec.end)
            _send(channel, "progress", bars=0, fraction=fraction, time=day)

    return run_lean(spec, on_day)


def _no_bars(algorithm: Any, data_folder: Path) -> str:
    """Say which files a run without a single bar wanted."""
    from llm_plugin.engine.data.lean_data import bar_file

    day = algorithm.start_date.date()
    configs = [config for security in algorithm.securities.values() for config in security.subscriptions]
    wanted = {
        bar_file(
            data_folder, c.symbol.security_type, c.symbol.id.market, c.symbol.value, c.resolution, c.tick_type, day
        )
        for c in configs
    }
    listed = ", ".join(f"{path}{'' if path.is_file() else ' (missing)'}" for path in sorted(wanted)[:5])
    return (
        f"the run saw no bar from {day} to {algorithm.end_date:%Y-%m-%d}: {listed or 'no data was subscribed'}: "
        "put the files there, choose dates that they cover, or name another data folder with --data"
    )


def _send(channel: Any, event: str, **values: Any) -> None:
    channel.write(json.dumps({"event": event, **values}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
