"""Starts the fine-tuning as a process of its own, passes its progress on, and turns its end into a result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from llm_plugin.errors import StoreUnavailable, TrainingFailed
from llm_plugin.reasoning.model_folder import read_manifest
from llm_plugin.training.job import TrainingStep, run_folder
from llm_plugin.training.process import run_to_end, worker_command
from llm_plugin.writer.job import SftJob, SftResult

__all__ = ["train_writer"]

MODULE = "llm_plugin.writer.worker"


def train_writer(job: SftJob, on_step: Callable[[TrainingStep], None] = lambda step: None) -> SftResult:
    """Fine-tune in a process of its own.

    A run that was killed goes on from its last checkpoint when it is asked for again; one that is complete is returned
    as it stands. A worker that is killed while this process lives is started again, at most twice.

    Args:
        job: What to train.
        on_step: Called with stage, step, loss and estimate; what it raises ends the worker and goes on to the caller.

    Raises:
        TrainingFailed: NaN loss, worker lost; `job.out` does not exist.
        StoreUnavailable: The disk is full; complete checkpoints are kept.
        ModelError: The base does not fit, by name.
        DataError: The dataset is damaged, by file and line.
    """
    job = _absolute(job)
    known = _finished(job)
    if known is not None:
        return known
    run = run_folder(job.out)
    begun = time.monotonic()
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"cannot write {run}: {error}; free space or give another folder") from error
    job.write(run / "job.json")
    run_to_end(worker_command(job.settings, run / "job.json", MODULE), job.settings, run, on_step)
    done = _finished(job)
    if done is None:
        raise TrainingFailed(f"the trainer ended without an adapter in {job.out}; see {run / 'worker.log'}")
    return replace(done, seconds=time.monotonic() - begun)


def _absolute(job: SftJob) -> SftJob:
    return replace(
        job,
        base=job.base.absolute() if isinstance(job.base, Path) else job.base,
        dataset=job.dataset.absolute(),
        out=job.out.absolute(),
    )


def _finished(job: SftJob) -> SftResult | None:
    """Return the result of exactly this job where it is there.

    Raises:
        TrainingFailed: The folder holds something else.
    """
    if not job.out.exists():
        return None
    manifest = read_manifest(job.out)
    if manifest is None or manifest.training.get("job_sha256") != job.sha256:
        raise TrainingFailed(
            f"{job.out} exists and is not the result of this training (other rows, settings or base): "
            "give another folder with --out, or remove it"
        )
    return SftResult(
        adapter=job.out,
        base=job.base,
        version=manifest.version,
        steps=int(manifest.training["steps"]),
        seconds=0.0,
        facts=manifest.training,
    )
