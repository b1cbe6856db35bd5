"""The trainer's process: `python -m llm_plugin.writer.worker JOB.json`, progress as JSON lines on stdout."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
import traceback
from pathlib import Path

from llm_plugin.errors import LeanLlmError, StoreUnavailable, TrainingFailed, os_error_text
from llm_plugin.training.job import run_folder
from llm_plugin.training.worker import Channel, end_with_parent
from llm_plugin.writer.job import SftJob

__all__ = ["main"]

_SHARES = {"load": 0.0, "tokenizer": 0.01, "base": 0.02, "prepare": 0.35, "train": 0.37, "save": 0.98}
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DISK_WORDS = ("PytorchStreamWriter", "No space left", "File too large", "unexpected pos", "I/O error")


def main(argv: list[str] | None = None) -> int:
    """Train the job of a specification file and return the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    job = SftJob.read(Path(arguments[0]))
    first = int(os.environ.get("RANK", "0")) == 0
    channel = Channel.of_stdout(first, _SHARES)
    end_with_parent()
    try:
        steps = _work(job, channel, first)
    except LeanLlmError as error:
        _clean(job, first, keep_checkpoints=not isinstance(error, TrainingFailed))
        channel.send("error", error=type(error).__name__, message=str(error))
        return error.exit_code
    except (Exception, MemoryError) as error:
        traceback.print_exc()
        full = _disk_is_full(error)
        _clean(job, first, keep_checkpoints=full)
        kind: type[LeanLlmError] = StoreUnavailable if full else TrainingFailed
        channel.send("error", error=kind.__name__, message=_told(error, full))
        return kind.exit_code
    channel.send("done", steps=steps)
    return 0


def _work(job: SftJob, channel: Channel, first: bool) -> int:
    from llm_plugin.reasoning.loading import local_base
    from llm_plugin.writer.finish import finish
    from llm_plugin.writer.fit import rows_of, tune
    from llm_plugin.writer.standin import finished_base, train_base

    begun = time.monotonic()
    if job.standin is not None and not finished_base(job):
        train_base(job, rows_of(job), channel.tell, main=first)
        _wait_for_all(job)
    folder = local_base(job.base)
    tuned = tune(job, folder, channel.tell, main=first)
    if not first:
        return int(tuned.facts["steps"])
    manifest = finish(job, tuned, folder)
    run = run_folder(job.out)
    for name in ("checkpoints", "cache"):
        shutil.rmtree(run / name, ignore_errors=True)
    if job.mlflow_uri:
        from llm_plugin.training.tracking import log_run

        history = [entry for entry in tuned.history if "step" in entry]
        log_run(job.mlflow_uri, manifest, history, seconds=time.monotonic() - begun)
    return int(tuned.facts["steps"])


def _wait_for_all(job: SftJob) -> None:
    """The processes beside the first need the base that the first one writes."""
    if job.settings.processes > 1:
        import torch.distributed as distributed

        if distributed.is_initialized():
            distributed.barrier()


def _clean(job: SftJob, first: bool, *, keep_checkpoints: bool) -> None:
    """After a failure no half of a folder is left; checkpoints only where the next try would not fail alike."""
    if not first:
        return
    folders = [job.out] if job.standin is None else [job.out, Path(job.base)]
    for folder in folders:
        shutil.rmtree(folder.with_name(folder.name + ".part"), ignore_errors=True)
        shutil.rmtree(run_folder(folder) / "cache", ignore_errors=True)
        if not keep_checkpoints:
            shutil.rmtree(run_folder(folder) / "checkpoints", ignore_errors=True)


def _disk_is_full(error: BaseException) -> bool:
    """Torch and safetensors raise their own kinds of error where a file cannot grow."""
    if isinstance(error, OSError):
        return error.errno in _NO_SPACE
    return any(words in str(error) for words in _DISK_WORDS)


def _told(error: BaseException, full: bool) -> str:
    """Say what happened and what it means, in one line."""
    if isinstance(error, OSError):
        what = os_error_text(error)
    else:
        what = f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no message'])[0][:300]}"
    if full:
        return f"the disk is full ({what}); complete checkpoints are kept: free space and run the same command again"
    return f"training stopped: {what}; nothing of it is kept"


if __name__ == "__main__":
    sys.exit(main())
