"""Starts the trainer as a process of its own, passes its progress on, and turns its end into a result or an error."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Protocol

from llm_plugin.errors import (
    ConfigError,
    DataError,
    LeanLlmError,
    ModelError,
    StoreUnavailable,
    TrainingFailed,
)
from llm_plugin.reasoning.model_folder import read_manifest
from llm_plugin.threads import thread_limits
from llm_plugin.training.job import TrainingJob, TrainingResult, TrainingStep, run_folder

__all__ = ["Sized", "raise_of", "run_to_end", "run_worker", "train_adapter", "worker_command", "worker_environment"]

RESTARTS = 2
MODULE = "llm_plugin.training.worker"
_GRACE_SECONDS = 10.0
_ERRORS: dict[str, type[LeanLlmError]] = {
    kind.__name__: kind for kind in (ConfigError, DataError, ModelError, StoreUnavailable, TrainingFailed)
}


def train_adapter(
    job: TrainingJob,
    on_progress: Callable[[float], None] = lambda fraction: None,
    *,
    on_step: Callable[[TrainingStep], None] = lambda step: None,
) -> TrainingResult:
    """Train an adapter in a process of its own.

    A run that was killed goes on from its last checkpoint when it is asked for again; one that is complete is
    returned as it stands. A worker that is killed while this process lives is started again, at most twice.

    Args:
        job: What to train.
        on_progress: Called with the fraction done; what it raises ends the worker and goes on to the caller.
        on_step: Called with step, loss, margin and estimate.

    Returns:
        The adapter in `job.out`.

    Raises:
        TrainingFailed: NaN loss, full disk, worker lost; `job.out` does not exist.
        ModelError: Base or parent do not fit, by name.
        DataError: The dataset is damaged.
    """
    job = _absolute(job)
    known = _finished(job)
    if known is not None:
        return known
    run = run_folder(job.out)
    begun = time.monotonic()
    try:
        run.mkdir(parents=True, exist_ok=True)
        job.write(run / "job.json")
    except (OSError, StoreUnavailable) as error:
        raise TrainingFailed(f"cannot write {run}: {error}; free space, the champion stays") from error

    def tell(step: TrainingStep) -> None:
        on_progress(step.fraction)
        on_step(step)

    run_to_end(worker_command(job.settings, run / "job.json"), job.settings, run, tell)
    done = _finished(job)
    if done is None:
        raise TrainingFailed(f"the trainer ended without an adapter in {job.out}; see {run / 'worker.log'}")
    return replace(done, seconds=time.monotonic() - begun)


def _absolute(job: TrainingJob) -> TrainingJob:
    return replace(
        job,
        base=job.base.absolute() if isinstance(job.base, Path) else job.base,
        parent_adapter=job.parent_adapter.absolute() if job.parent_adapter else None,
        dataset=job.dataset.absolute(),
        out=job.out.absolute(),
    )


def _finished(job: TrainingJob) -> TrainingResult | None:
    """Return the result of exactly this job where it is there.

    Raises:
        TrainingFailed: The folder holds something else.
    """
    if not job.out.exists():
        return None
    manifest = read_manifest(job.out)
    if manifest is None or manifest.training.get("job_sha256") != job.sha256:
        raise TrainingFailed(f"{job.out} exists and is not the result of this training: give another folder")
    return TrainingResult(
        folder=job.out,
        version=manifest.version,
        dataset_sha256=manifest.dataset_sha256,
        steps=int(manifest.training["steps"]),
        seconds=0.0,
        facts=manifest.training,
    )


class Sized(Protocol):
    """Settings that say how large a worker may be."""

    @property
    def threads(self) -> int:
        """Torch threads of each process."""

    @property
    def processes(self) -> int:
        """Processes (GPUs)."""


def worker_command(size: Sized, spec: Path, module: str = MODULE) -> list[str]:
    """Return the command line; several processes are started by torch's launcher, which accelerate reads."""
    command = ["-m", module, str(spec)]
    if size.processes == 1:
        return [sys.executable, *command]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(size.processes)]
    return [sys.executable, *launcher, *command]


def worker_environment(size: Sized, run: Path) -> dict[str, str]:
    """Return the worker's environment: its threads, no network, caches inside its own folder."""
    environment = {
        **os.environ,
        **thread_limits(size.threads),
        "OMP_WAIT_POLICY": "PASSIVE",  # two processes that spin on the same cores are ten times slower
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(run / "cache"),
        "TQDM_DISABLE": "1",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    }
    if size.processes == 1:  # several visible GPUs would make one process split every batch over them
        environment["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return environment


def run_worker(
    command: list[str], size: Sized, run: Path, tell: Callable[[TrainingStep], None]
) -> tuple[int, dict[str, Any]]:
    """Run a worker to its end; return its exit code and what it said last.

    Args:
        command: From `worker_command`.
        size: Its threads and processes.
        run: Folder for log and caches.
        tell: Called with its progress; what it raises ends the worker and goes on to the caller.
    """
    with (run / "worker.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdin=subprocess.PIPE,  # closes with this process: the worker ends with its parent, even after kill -9
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=worker_environment(size, run),
        )
    last: dict[str, Any] = {}
    try:
        if process.stdout is not None:
            last = _relay(process.stdout, tell)
        return process.wait(), last
    except BaseException:
        _end(process)
        raise
    finally:
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def run_to_end(command: list[str], size: Sized, run: Path, tell: Callable[[TrainingStep], None]) -> None:
    """Run a worker until it has done its work; one that is killed is started again, at most twice.

    Args:
        command: From `worker_command`.
        size: Its threads and processes.
        run: Folder for log and caches.
        tell: As `run_worker` takes it.

    Raises:
        TrainingFailed: Or the error that it named.
    """
    for attempt in range(1 + RESTARTS):
        code, message = run_worker(command, size, run, tell)
        if code == 0:
            return
        if code > 0 or attempt == RESTARTS:
            raise_of(code, message, run)


def _relay(stream: IO[str], tell: Callable[[TrainingStep], None]) -> dict[str, Any]:
    last: dict[str, Any] = {}
    for line in stream:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if message.get("kind") == "step":
            del message["kind"]
            tell(TrainingStep(**message))
        else:
            last = message
    return last


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def raise_of(code: int, message: dict[str, Any], run: Path) -> None:
    """Raise what a worker ended with, by its own name and words.

    Raises:
        TrainingFailed: Or the error that it named.
    """
    log = run / "worker.log"
    if message.get("kind") == "error":
        text = str(message["message"])
        raise _ERRORS.get(str(message.get("error")), TrainingFailed)(text)
    shutil.rmtree(run / "cache", ignore_errors=True)
    how = f"was killed by signal {-code} {RESTARTS + 1} times" if code < 0 else f"ended with exit code {code}"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.is_file() else []
    raise TrainingFailed(f"the trainer {how}: {lines[-1] if lines else 'it said nothing'} (all of it in {log})")
