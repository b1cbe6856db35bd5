"""The trainer's process: `python -m llm_plugin.training.worker JOB.json`, progress as JSON lines on stdout."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from llm_plugin.errors import LeanLlmError, TrainingFailed, os_error_text
from llm_plugin.training.job import TrainingJob, run_folder

__all__ = ["Channel", "end_with_parent", "main"]

_SHARES = {"load": 0.0, "reference": 0.05, "train": 0.1, "save": 0.92, "calibrate": 0.94}
ORPHANED = 75


class Channel:
    """Writes progress; only the first of several processes speaks.

    Args:
        stream: Where to; None in the processes beside the first.
        shares: The fraction of the whole at which each stage begins; `train` and `save` are among them.
    """

    def __init__(self, stream: TextIO | None, shares: Mapping[str, float] = _SHARES) -> None:
        self._stream = stream
        self._shares = shares
        self._steps = 0

    @classmethod
    def of_stdout(cls, first: bool, shares: Mapping[str, float] = _SHARES) -> Channel:
        """Take standard output for progress; what libraries print goes to the log, never between its lines."""
        channel = cls(os.fdopen(os.dup(1), "w") if first else None, shares)
        os.dup2(2, 1)
        return channel

    def send(self, kind: str, **facts: Any) -> None:
        """Write one line."""
        if self._stream is not None:
            self._stream.write(json.dumps({"kind": kind, **facts}) + "\n")
            self._stream.flush()

    def tell(self, stage: str, **facts: Any) -> None:
        """Tell progress; within a stage that counts steps the fraction grows with them."""
        self._steps = int(facts.get("steps") or self._steps)
        fraction = self._shares[stage]
        if facts.get("step") and self._steps:
            behind = min(share for share in (*self._shares.values(), 1.0) if share > fraction)
            fraction += (behind - fraction) * min(1.0, facts["step"] / self._steps)
        self.send("step", stage=stage, fraction=round(fraction, 4), **{"steps": self._steps, **facts})


def main(argv: list[str] | None = None) -> int:
    """Train the job of a specification file and return the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    job = TrainingJob.read(Path(arguments[0]))
    first = int(os.environ.get("RANK", "0")) == 0
    channel = Channel.of_stdout(first)
    end_with_parent()
    try:
        steps = _work(job, channel, first)
    except LeanLlmError as error:
        _clean(job, first)
        channel.send("error", error=type(error).__name__, message=str(error))
        return error.exit_code
    except (Exception, MemoryError) as error:
        traceback.print_exc()
        _clean(job, first)
        channel.send("error", error="TrainingFailed", message=_told(error))
        return TrainingFailed.exit_code
    channel.send("done", steps=steps)
    return 0


def _work(job: TrainingJob, channel: Channel, first: bool) -> int:
    from llm_plugin.training.finish import finish
    from llm_plugin.training.fit import fit

    begun = time.monotonic()
    fitted = fit(job, channel.tell, main=first)
    if not first:
        return int(fitted.facts["steps"])
    channel.tell(stage="calibrate")
    manifest = finish(job, fitted)
    run = run_folder(job.out)
    for name in ("checkpoints", "cache"):
        shutil.rmtree(run / name, ignore_errors=True)
    if job.mlflow_uri:
        from llm_plugin.training.tracking import log_run

        log_run(job.mlflow_uri, manifest, fitted.history, seconds=time.monotonic() - begun)
    return int(fitted.facts["steps"])


def _clean(job: TrainingJob, first: bool) -> None:
    """After a failure nothing may be left that could be registered or resumed into the same failure."""
    if first:
        shutil.rmtree(job.out.with_name(job.out.name + ".part"), ignore_errors=True)
        for name in ("checkpoints", "cache"):
            shutil.rmtree(run_folder(job.out) / name, ignore_errors=True)


def _told(error: BaseException) -> str:
    """Say what happened and what it means, in one line."""
    if isinstance(error, OSError):
        what = os_error_text(error)
    else:
        what = f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no message'])[0][:300]}"
    return f"training stopped: {what}; nothing of it is kept and the champion stays"


def end_with_parent() -> None:
    """End when standard input closes: a trainer whose cycle was killed must not go on beside the next one."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(ORPHANED)

    if not sys.stdin.isatty():
        threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
