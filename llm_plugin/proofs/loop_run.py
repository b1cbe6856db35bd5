"""Runs the parts of the loop's proof in processes of their own; what is complete is kept, so that it can be resumed."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_plugin.errors import ConfigError, DataError, LeanLlmError
from llm_plugin.proofs.processes import Processes

__all__ = ["LoopTask", "OnTask", "load_task", "load_tasks", "run_tasks"]

OnTask = Callable[["LoopTask", str, float], None]


@dataclass(frozen=True)
class LoopTask:
    """One part.

    Attributes:
        name: Of its file.
        spec: What the worker is told: `task` and its arguments, plain JSON types.
        key: Hash of what can change its figures: a result of another key is not its result.
        cores: How many it keeps busy.
    """

    name: str
    spec: Mapping[str, Any]
    key: str
    cores: int = 1


def load_task(folder: Path, task: LoopTask) -> dict[str, Any] | None:
    """Return a complete result of this task, None where there is none.

    Raises:
        DataError: The file is damaged.
    """
    path = folder / f"{task.name}.json"
    if not path.is_file():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        own, result = kept["key"] == task.key, dict(kept["result"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is damaged ({type(error).__name__}: {error}); delete it, the part is run again"
        ) from None
    return result if own else None


def load_tasks(folder: Path, tasks: Sequence[LoopTask]) -> dict[str, dict[str, Any]]:
    """Return what is complete of these tasks, by name."""
    found = {task.name: load_task(folder, task) for task in tasks}
    return {name: result for name, result in found.items() if result is not None}


def run_tasks(
    folder: Path,
    tasks: Sequence[LoopTask],
    *,
    jobs: int,
    on_task: OnTask = lambda task, stage, fraction: None,
) -> dict[str, dict[str, Any]]:
    """Run what is not complete, as many at a time as the jobs' cores carry, and return all results by name.

    Args:
        folder: One JSON per part lies here, and what the parts keep for themselves.
        tasks: What to run, the longest first.
        jobs: Cores to keep busy.
        on_task: Progress; called from several threads.

    Raises:
        ConfigError: More jobs than cores, which is ten times slower, or none.
        LeanLlmError: Parts failed; the others have been run, and their results are kept.
    """
    cores = os.cpu_count() or 1
    if jobs < 1 or jobs > cores:
        raise ConfigError(f"{jobs} jobs do not fit {cores} cores: give 1 to {cores}")
    folder.mkdir(parents=True, exist_ok=True)
    waiting = [task for task in tasks if load_task(folder, task) is None]
    running = _Running(folder, on_task, jobs)
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        started = [(task, pool.submit(running.run, task)) for task in waiting]
        try:
            problems = [f"{task.name}: {text}" for task, future in started if (text := future.result())]
        except BaseException:
            running.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if problems:
        raise LeanLlmError(f"{len(problems)} of {len(tasks)} parts failed:\n" + "\n".join(problems))
    return load_tasks(folder, tasks)


class _Running:
    """The processes that are alive."""

    def __init__(self, folder: Path, on_task: OnTask, jobs: int) -> None:
        self._folder, self._on_task, self._jobs = folder, on_task, jobs
        self._free = threading.Condition()
        self._busy = 0
        self._processes = Processes("llm_plugin.proofs.loop_worker")
        self._stopped = False

    def run(self, task: LoopTask) -> str:
        """Run one part when its cores are free; return what went wrong, empty if nothing did."""
        wanted = min(task.cores, self._jobs)
        with self._free:
            self._free.wait_for(lambda: self._stopped or self._busy + wanted <= self._jobs)
            if self._stopped:
                return "stopped"
            self._busy += wanted
        try:
            return self._process(task)
        finally:
            with self._free:
                self._busy -= wanted
                self._free.notify_all()

    def _process(self, task: LoopTask) -> str:
        out, log = self._folder / f"{task.name}.json", self._folder / f"{task.name}.log"
        spec = {**task.spec, "out": str(out), "key": task.key, "kept": str(self._folder / "kept")}
        return self._processes.run(spec, log, lambda stage, fraction: self._on_task(task, stage, fraction))

    def stop(self) -> None:
        """End the processes."""
        self._processes.stop()
        with self._free:
            self._stopped = True
            self._free.notify_all()
