"""Runs the arms of a walk-forward; arms that are complete are not run again, a killed one goes on at its last cycle."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_plugin.errors import ConfigError, LeanLlmError, ModelError
from llm_plugin.files import write_whole
from llm_plugin.runs.arms import Arm
from llm_plugin.runs.backtest import ArmFailed, BacktestOptions, OnProgress, write_versions
from llm_plugin.runs.pool import WorkerHandle, start_worker
from llm_plugin.runs.record import ArmRecord
from llm_plugin.runs.worker import WorkerSpec
from llm_plugin.settings import Resolved, resolve
from llm_plugin.walkforward.backend import ArmSpec
from llm_plugin.walkforward.plan import (
    ARMS,
    LEARNING,
    SPEC_PARAMETER,
    TABULAR,
    WalkForwardOptions,
    arm_overrides,
    content_key,
    run_key,
)
from llm_plugin.walkforward.timeline import TIMELINE_NAME, Event, read_timeline

__all__ = ["WalkForwardRun", "arm_folder", "run_walkforward"]

DONE_NAME = "done.json"
POLL_SECONDS = 1.0


@dataclass
class WalkForwardRun:
    """A finished walk-forward.

    Attributes:
        options: What was asked for.
        resolved: The configuration of the learning arm.
        records: Results by arm.
        events: The time axis of the learning arm.
        models: The models that it started with.
        notes: Remarks for the report.
        reused: Arms whose results were there already.
    """

    options: WalkForwardOptions
    resolved: Resolved
    records: dict[str, ArmRecord]
    events: list[Event]
    models: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    reused: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.options.output


def arm_folder(output: Path, arm: str) -> Path:
    """Return the folder of an arm."""
    return output / "arms" / arm


def run_walkforward(
    options: WalkForwardOptions, on_progress: OnProgress, prepare: Callable[[BacktestOptions, Resolved], Any]
) -> WalkForwardRun:
    """Run every arm and return what they left on disk.

    Args:
        options: What to run.
        on_progress: Called with an arm's name and an event, from reader threads.
        prepare: Makes models ready; returns `models`, `notes` and further `overrides`.

    Raises:
        ConfigError: The configuration is wrong.
        LeanLlmError: An arm failed; run again, what is complete is kept.
    """
    yaml = options.project / "llm_config.yaml"
    if not yaml.is_file():
        raise ConfigError(f"{yaml} does not exist: `lean-llm config template > {yaml}` writes one with every key")
    overrides = _local_memory(options)
    resolved = resolve(yaml, overrides)
    backtest = BacktestOptions(
        options.project, options.data_folder, options.output, options.start, options.end, overrides, ablation=True
    )
    prepared = prepare(backtest, resolved)
    overrides = (*overrides, *prepared.overrides)
    resolved = resolve(yaml, overrides)
    _require_in_process(resolved)
    options.output.mkdir(parents=True, exist_ok=True)
    resolved.write_json(options.output / "config.json")
    write_versions(options.output / "versions.json")
    key = run_key(options, resolved, prepared.models)
    arms, notes = _arms(resolved)
    queue = _Queue(options, overrides, key, on_progress)
    queue.work(arms)
    notes = [*prepared.notes, *notes, *_NOTES]
    events = read_timeline(arm_folder(options.output, LEARNING.name))
    return WalkForwardRun(options, resolved, queue.records, events, prepared.models, notes, tuple(queue.reused))


def _local_memory(options: WalkForwardOptions) -> tuple[str, ...]:
    """Every arm has a memory of its own for one run: the exact local one gives the same hits and needs no server."""
    given = options.all_overrides
    if any(item.startswith("memory.backend=") for item in given):
        return given
    return (*given, "memory.backend=local")


def _require_in_process(resolved: Resolved) -> None:
    settings, problems = resolved.settings, []
    if settings.validator.mode != "in_process" or settings.validator.arm != "llm":
        problems.append(
            f"validator.mode is {settings.validator.mode!r}, validator.arm {settings.validator.arm!r}: a walk-forward "
            "retrains the model in its own process; set them to in_process and llm"
        )
    if settings.llm_model.provider != "transformers":
        problems.append(
            f"llm_model.provider is {settings.llm_model.provider!r}: only a model in process can be retrained in "
            "simulated time; set it to transformers"
        )
    if settings.llm_model.adapter is not None:
        problems.append(
            f"llm_model.adapter is {settings.llm_model.adapter!r}: a walk-forward starts from the base; leave it out"
        )
    if problems:
        raise ConfigError(problems)


_NOTES = (
    "Memory is the exact local one in every arm (the hits are those of Weaviate), and the gate's latency check is off: "
    "how fast this machine was is no fact of simulated time.",
)


def _arms(resolved: Resolved) -> tuple[tuple[Arm, ...], list[str]]:
    """Return the arms that can be run; without a tabular model beside the base there is no tabular arm."""
    from llm_plugin.walkforward.tabular import first_meta_label

    try:
        first_meta_label(resolved.settings)
    except ModelError as error:
        return tuple(arm for arm in ARMS if arm is not TABULAR), [f"The tabular arm was left out: {error}"]
    return ARMS, []


class _Queue:
    """Starts arms as slots come free."""

    def __init__(
        self, options: WalkForwardOptions, overrides: tuple[str, ...], key: str, on_progress: OnProgress
    ) -> None:
        self.options = options
        self.records: dict[str, ArmRecord] = {}
        self.reused: list[str] = []
        self._overrides = overrides
        self._key = key
        self._on_progress = on_progress
        self._running: list[tuple[Arm, WorkerHandle]] = []

    def work(self, arms: Sequence[Arm]) -> None:
        """Run the arms; Ctrl-C stops them, what is complete is kept."""
        try:
            for arm in arms:
                if arm.needs:
                    self._collect(until=arm.needs)
                self._start_or_reuse(arm)
                while len(self._running) >= self.options.parallel:
                    self._collect(one=True)
            self._collect()
        except BaseException:
            for _, handle in self._running:
                handle.interrupt()
            for _, handle in self._running:
                handle.wait_stopped()
            raise

    def _start_or_reuse(self, arm: Arm) -> None:
        folder = arm_folder(self.options.output, arm.name)
        key = self._arm_key(arm)
        final = _finished(folder, key)
        if final is not None:
            self.records[arm.name] = _record(arm, folder, final)
            self.reused.append(arm.name)
            self._on_progress(arm.name, {**final, "reused": True})
            return
        shutil.rmtree(folder, ignore_errors=True)  # a killed arm begins again; the finished cycles lie elsewhere
        folder.mkdir(parents=True)
        self._running.append((arm, self._start(arm, folder)))

    def _start(self, arm: Arm, folder: Path) -> WorkerHandle:
        overrides = [*self._overrides, *arm_overrides(arm, self._veto_rate())]
        resolved = resolve(self.options.project / "llm_config.yaml", overrides)
        parameters = dict(self.options.parameters)
        if arm.name in (LEARNING.name, TABULAR.name):
            parameters[SPEC_PARAMETER] = str(self._arm_spec(arm, folder).write(folder / "walkforward.json"))
        spec = WorkerSpec(
            arm=arm.name,
            project=str(self.options.project),
            data_folder=str(self.options.data_folder),
            run_folder=str(folder),
            config=str(resolved.write_json(folder / "config.json")),
            parameters=parameters,
            start=self.options.start,
            end=self.options.end,
        )
        cores = os.cpu_count() or 1
        handle = start_worker(spec, self._on_progress, threads=max(1, cores // max(1, self.options.parallel)))
        if arm.name == LEARNING.name:
            _Tail(folder / TIMELINE_NAME, handle, self._on_progress).start()
        return handle

    def _arm_spec(self, arm: Arm, folder: Path) -> ArmSpec:
        learning = arm_folder(self.options.output, LEARNING.name)
        return ArmSpec(
            role=arm.name,
            state_folder=str((folder / "loop").resolve()),
            cycles_folder=str((self.options.output / "cycles").resolve()),
            learning_folder=str(learning.resolve()),
            data_folder=str(self.options.data_folder),
        )

    def _arm_key(self, arm: Arm) -> str:
        parts: list[Any] = [self._key, arm.name]
        if arm.needs:
            events = read_timeline(arm_folder(self.options.output, LEARNING.name))
            timed = [{**event.to_json(), "seconds": 0} for event in events]
            parts += [timed, self._veto_rate()]
        return content_key(*parts)

    def _veto_rate(self) -> float | None:
        record = self.records.get(LEARNING.name)
        if record is None:
            return None
        entries = record.entries
        return sum(not d.approved for d in entries) / len(entries) if entries else 0.0

    def _collect(self, until: str = "", one: bool = False) -> None:
        """Wait for arms in the order of their start and keep their records."""
        while self._running and not (until and until in self.records):
            arm, handle = self._running[0]
            final = handle.wait()
            del self._running[0]
            if final["event"] == "error":
                raise ArmFailed(arm, final)
            if final["status"] != "Completed":
                raise LeanLlmError(f"arm '{arm.name}' ended as {final['status']}: {final['error'] or 'no message'}")
            folder = arm_folder(self.options.output, arm.name)
            text = json.dumps({"key": self._arm_key(arm), "final": final}, indent=1) + "\n"
            write_whole(folder / DONE_NAME, text)
            self.records[arm.name] = _record(arm, folder, final)
            if one:
                return


def _finished(folder: Path, key: str) -> dict[str, Any] | None:
    path = folder / DONE_NAME
    if not path.is_file():
        return None
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        final: dict[str, Any] = known["final"] if known["key"] == key else {}
    except (ValueError, KeyError, TypeError):
        return None  # it is run again
    return final if final and (folder / f"{final['algorithm_id']}.json").is_file() else None


def _record(arm: Arm, folder: Path, final: Mapping[str, Any]) -> ArmRecord:
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


class _Tail(threading.Thread):
    """Passes on what the learning arm writes on its time axis, for a terminal that shows nothing else meanwhile."""

    def __init__(self, path: Path, handle: WorkerHandle, on_progress: OnProgress) -> None:
        super().__init__(name="timeline", daemon=True)
        self._path, self._handle, self._on_progress = path, handle, on_progress

    def run(self) -> None:
        """Read until the arm has ended."""
        seen, over = 0, False
        while not over:
            try:
                self._handle.process.wait(timeout=POLL_SECONDS)
                over = True
            except Exception:  # noqa: S110 - still running
                pass
            lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else []
            for line in lines[seen:]:
                self._on_progress(LEARNING.name, {"event": "timeline", "row": json.loads(line)})
            seen = max(seen, len(lines))
