"""One backtest command: resolve, prepare, run the arms, summarise, report."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from llm_plugin.errors import AlgorithmError, ConfigError, LeanLlmError
from llm_plugin.files import write_whole
from llm_plugin.runs.arms import LLM, NONE, Arm, arms_for, random_veto
from llm_plugin.runs.pool import WorkerHandle, start_worker
from llm_plugin.runs.record import ArmRecord
from llm_plugin.runs.run_options import RunOptions
from llm_plugin.runs.worker import WorkerSpec
from llm_plugin.settings import Resolved, resolve

__all__ = ["BacktestOptions", "BacktestRun", "OnProgress", "run"]

OnProgress = Callable[[str, Mapping[str, Any]], None]
VERSIONED = (
    "lean-llm-plugin",
    "numpy",
    "pandas",
    "torch",
    "transformers",
    "peft",
    "scikit-learn",
    "xgboost",
    "lightgbm",
    "onnxruntime",
    "weaviate-client",
    "sqlalchemy",
)


@dataclass(frozen=True)
class BacktestOptions:
    """What the command line asks for."""

    project: Path
    data_folder: Path
    output: Path
    start: str = ""
    end: str = ""
    overrides: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    ablation: bool = False
    baseline: bool = True
    decisions_from: Path | None = None
    parallel: int = 2
    engine: str = "embedded"
    run_options: RunOptions = field(default_factory=RunOptions)


@dataclass
class BacktestRun:
    """A finished run; `interrupted` marks partial results."""

    folder: Path
    resolved: Resolved
    records: dict[str, ArmRecord]
    models: list[dict[str, Any]]
    notes: list[str]
    interrupted: bool = False


def run(options: BacktestOptions, on_progress: OnProgress, prepare: Callable[[Resolved], Any]) -> BacktestRun:
    """Run every arm of a backtest and return what they left on disk.

    Args:
        options: What to run.
        on_progress: Called with an arm's name and an event (`progress`, `done`, `error`), from reader threads.
        prepare: Makes models and servers ready for a configuration; returns `models` and `notes`.

    Raises:
        ConfigError: The configuration is wrong.
        LeanLlmError: An arm failed; what the others wrote is kept in the run folder.
    """
    resolved = _configuration(options)
    mode = resolved.settings.validator.mode
    if options.engine != "embedded":
        from llm_plugin.runs.engines import ready_project

        ready_project(options.engine, options.project, mode, options.decisions_from is not None)
    prepared = prepare(resolved)
    options.output.mkdir(parents=True, exist_ok=True)
    queue = _Queue(options, tuple(prepared.overrides), on_progress, mode)
    interrupted = queue.work(_arms(options))
    if interrupted and not queue.records:
        raise KeyboardInterrupt
    if not queue.records:
        raise AlgorithmError("nothing was run")
    write_versions(options.output / "versions.json")
    return BacktestRun(options.output, resolved, queue.records, prepared.models, prepared.notes, interrupted)


def _configuration(options: BacktestOptions) -> Resolved:
    yaml = options.project / "llm_config.yaml"
    if not yaml.is_file():
        raise ConfigError(f"{yaml} does not exist: `lean-llm config template > {yaml}` writes one with every key")
    return resolve(yaml, options.overrides)


def _arms(options: BacktestOptions) -> tuple[Arm, ...]:
    if options.decisions_from is not None or not options.baseline:
        return (LLM,)
    return arms_for(options.ablation)


def write_versions(path: Path) -> None:
    """Write the versions that produced a run."""
    versions = {"python": platform.python_version(), "platform": platform.platform()}
    for name in VERSIONED:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    write_whole(path, json.dumps(versions, indent=1) + "\n")


class _Queue:
    """Starts arms as slots come free; the main arm's files lie in the run folder, the others' below `arms/`."""

    def __init__(self, options: BacktestOptions, prepared: tuple[str, ...], on_progress: OnProgress, mode: str) -> None:
        self.options = options
        self.mode = mode
        self.prepared = prepared
        self.on_progress = on_progress
        self.records: dict[str, ArmRecord] = {}
        self._stopping = False

    def work(self, arms: Sequence[Arm]) -> bool:
        """Run all arms; True if Ctrl-C stopped them."""
        running: list[tuple[Arm, WorkerHandle]] = []
        try:
            for arm in arms:
                if arm.needs:
                    self._collect(running, until=arm.needs)
                while sum(h.process.poll() is None for _, h in running) >= self.options.parallel:
                    self._collect(running, oldest=True)
                running.append((arm, self._start(arm)))
            self._collect(running)
        except KeyboardInterrupt:
            self._stopping = True
            for _, handle in running:
                handle.interrupt()
            self._collect(running)
        return self._stopping

    def _start(self, arm: Arm) -> WorkerHandle:
        overrides = [*self.options.overrides, *self.prepared, *self._overrides(arm)]
        folder = self._folder(arm)
        folder.mkdir(parents=True, exist_ok=True)
        resolved = resolve(self.options.project / "llm_config.yaml", overrides)
        config = resolved.write_json(folder / "config.json")
        parameters = dict(self.options.parameters)
        if self.options.decisions_from is not None:
            parameters["llm-decisions-from"] = str(self.options.decisions_from.resolve())
        spec = WorkerSpec(
            arm=arm.name,
            project=str(self.options.project),
            data_folder=str(self.options.data_folder),
            run_folder=str(folder),
            config=str(config),
            parameters=parameters,
            start=self.options.start,
            end=self.options.end,
            engine=self.options.engine,
            run_options=asdict(self.options.run_options),
        )
        cores = os.cpu_count() or 1
        return start_worker(spec, self.on_progress, threads=max(1, cores // max(1, self.options.parallel)))

    def _overrides(self, arm: Arm) -> tuple[str, ...]:
        if arm.needs:
            entries = self.records[arm.needs].entries
            vetoed = sum(not d.approved for d in entries)
            return random_veto(vetoed / len(entries) if entries else 0.0)
        if arm is NONE and self.mode == "service":
            return (*arm.overrides, "validator.mode=none")  # the service would go on answering
        return arm.overrides

    def _collect(self, running: list[tuple[Arm, WorkerHandle]], until: str = "", oldest: bool = False) -> None:
        """Wait for arms in the order of their start and keep their records."""
        while running and (not until or until not in self.records):
            arm, handle = running[0]  # it stays in the list while it is waited for: Ctrl-C must find it there
            final = handle.wait_stopped() if self._stopping else handle.wait()
            del running[0]
            if self._stopping and not self._has_result(arm, final):
                continue  # stopped before its first bar: there is nothing to report
            if final["event"] == "error":
                for _, other in running:
                    other.interrupt()
                raise ArmFailed(arm, final)
            self.records[arm.name] = self._record(arm, final)
            if oldest:
                return

    def _folder(self, arm: Arm) -> Path:
        return self.options.output if arm.name == LLM.name else self.options.output / "arms" / arm.name

    def _has_result(self, arm: Arm, final: Mapping[str, Any]) -> bool:
        return final["event"] == "done" and (self._folder(arm) / f"{final['algorithm_id']}.json").is_file()

    def _record(self, arm: Arm, final: Mapping[str, Any]) -> ArmRecord:
        folder = self._folder(arm)
        return ArmRecord(
            name=arm.name,
            title=arm.title,
            folder=folder,
            algorithm_id=final["algorithm_id"],
            bars=final["bars"],
            seconds=final["seconds"],
            orders_hash=final["orders_hash"],
            status=final["status"],
            error=final["error"],
            statistics=dict(final["statistics"]),
        )


class ArmFailed(LeanLlmError):
    """An arm ended with an error; the exit code is the arm's own."""

    def __init__(self, arm: Arm, final: Mapping[str, Any]) -> None:
        self.exit_code = int(final.get("exit_code", 1))
        super().__init__(f"arm '{arm.name}' ({arm.title}): {final['kind']}: {final['message']}")


def control_of(run_: BacktestRun) -> ArmRecord | None:
    """Return the arm without a validator, None if it was not run."""
    return run_.records.get(NONE.name)
