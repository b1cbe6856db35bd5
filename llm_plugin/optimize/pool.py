"""Runs tasks in processes of this machine, or on a Dask cluster; one task is one backtest either way."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_plugin.errors import AlgorithmError, LeanLlmError
from llm_plugin.optimize.plan import Task, Window
from llm_plugin.optimize.space import Trial
from llm_plugin.runs.cluster import completed, dask_client
from llm_plugin.sandbox.policy import SandboxLimits
from llm_plugin.sandbox.process import ChildProcess
from llm_plugin.sandbox.run import make_policy

__all__ = ["RunSpec", "on_dask", "on_processes", "own_period", "run_task"]

OnDone = Callable[[Task, Mapping[str, Any]], None]
RunSpec = Mapping[str, Any]
_RECYCLE_AFTER = 200  # runs; what libraries keep for themselves does not grow for ever


class _Worker:
    """A child that is started when it is needed, and again when it died."""

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._child: ChildProcess | None = None
        self._scratch: Path | None = None
        self._served = 0

    def run(self, task: Task, *, only_period: bool = False) -> dict[str, Any]:
        """Run one task, or ask for its dates alone; whatever goes wrong is in the answer."""
        try:
            child = self._ready()
            self._served += 1
            return child.run({**_request(self._spec, task), "only_period": only_period})
        except LeanLlmError as error:
            return {"error": str(error), "kind": type(error).__name__, "status": "RuntimeError"}

    def _ready(self) -> ChildProcess:
        if self._child is not None and self._child.is_alive and self._served < _RECYCLE_AFTER:
            return self._child
        self.close()
        project, data = Path(self._spec["project"]), Path(self._spec["data_folder"])
        self._scratch = ChildProcess.scratch_folder()
        policy = None
        if self._spec["sandbox"]:
            given = self._spec
            standard = SandboxLimits()
            limits = SandboxLimits(
                run_seconds=given["run_seconds"] or standard.run_seconds,
                step_seconds=given["step_seconds"] or standard.step_seconds,
                memory_mib=given["memory_mib"] or standard.memory_mib,
            )
            policy = make_policy(project, data, self._scratch, None, limits)
        self._child = ChildProcess(project, policy, self._scratch)
        self._served = 0
        return self._child

    def close(self, *, at_once: bool = False) -> None:
        """End the child."""
        if self._child is not None:
            if at_once:
                self._child.kill()
            self._child.close()
            self._child = None
        if self._scratch is not None:
            ChildProcess.remove(self._scratch)
            self._scratch = None


def _request(spec: RunSpec, task: Task) -> dict[str, Any]:
    parameters = {**spec["parameters"], **dict(task.trial)}
    if spec.get("run_folder"):
        folder = Path(spec["run_folder"]) / task.key
        folder.mkdir(parents=True, exist_ok=True)
        parameters["llm-run-dir"] = str(folder)
    return {
        "project": spec["project"],
        "data_folder": spec["data_folder"],
        "parameters": parameters,
        "start": task.window.start,
        "end": task.window.end,
        "step_seconds": spec["step_seconds"],
        "run_seconds": spec["run_seconds"],
        "bad_data": spec["bad_data"],
        "memory_mib": None if spec["sandbox"] else spec["memory_mib"],
    }


def own_period(spec: RunSpec, trial: Trial) -> Window:
    """Return the days that the algorithm sets for itself with a trial's parameters; nothing is run.

    Raises:
        AlgorithmError: It does not come through its `initialize`.
    """
    worker = _Worker(spec)
    try:
        answer = worker.run(Task("period", trial, Window()), only_period=True)
    finally:
        worker.close()
    if answer["error"]:
        raise AlgorithmError(f"the algorithm's own dates are not known: {answer['error']}; or give --start and --end")
    return Window(answer["start"], answer["end"])


def on_processes(spec: RunSpec, tasks: Sequence[Task], workers: int, on_done: OnDone) -> None:
    """Run tasks beside each other; `on_done` is called from the caller's thread as they end.

    Ctrl-C ends the processes at once; what was done has been handed over.

    Args:
        spec: What all tasks share.
        tasks: In the order in which they start.
        workers: Processes.
        on_done: Called with a task and its answer.
    """
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    answers: queue.Queue[tuple[Task, Mapping[str, Any]] | BaseException] = queue.Queue()
    stop = threading.Event()
    crew = [_Worker(spec) for _ in range(min(workers, len(tasks)))]

    def serve(worker: _Worker) -> None:
        try:
            while not stop.is_set():
                try:
                    task = waiting.get_nowait()
                except queue.Empty:
                    return
                answers.put((task, worker.run(task)))
        except BaseException as error:
            answers.put(error)

    threads = [threading.Thread(target=serve, args=(worker,), daemon=True) for worker in crew]
    for thread in threads:
        thread.start()
    try:
        for _ in tasks:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            on_done(*answer)
    finally:
        unfinished = any(thread.is_alive() for thread in threads) and not waiting.empty()
        stop.set()
        for worker in crew:
            worker.close(at_once=unfinished or any(thread.is_alive() for thread in threads))


_local = threading.local()


def run_task(spec: RunSpec, task: Task) -> dict[str, Any]:
    """Run one task where a Dask worker is; its child serves the next tasks of this thread too."""
    worker = getattr(_local, "worker", None)
    if worker is None or worker[0] != dict(spec):
        if worker is not None:
            worker[1].close()
        worker = _local.worker = (dict(spec), _Worker(spec))
    answer: dict[str, Any] = worker[1].run(task)
    return answer


def on_dask(spec: RunSpec, tasks: Sequence[Task], address: str, workers: int, on_done: OnDone) -> None:
    """Run tasks on a Dask cluster; a task whose worker is lost runs again elsewhere.

    Args:
        spec: What all tasks share; project and data must lie at the same places on the workers.
        tasks: In the order in which they start.
        address: Of a scheduler; `local` starts one here for the time being.
        workers: Processes of the local one.
        on_done: Called with a task and its answer.

    Raises:
        BackendUnavailable: No scheduler answers there.
    """
    with dask_client(address, workers) as client:
        futures = {client.submit(run_task, dict(spec), task, pure=False): task for task in tasks}
        try:
            for future in completed(list(futures)):
                error = future.exception()
                answer = future.result() if error is None else _lost(error)
                on_done(futures[future], answer)
        except BaseException:
            client.cancel(list(futures), force=True)
            raise


def _lost(error: BaseException) -> dict[str, Any]:
    return {"error": f"{type(error).__name__}: {error}", "kind": type(error).__name__, "status": "RuntimeError"}
