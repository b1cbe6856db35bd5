"""What happens at every step: progress, the guard against NaN, marked checkpoints, TensorBoard."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from llm_plugin.errors import TrainingFailed

__all__ = ["CHECKPOINT_MARK", "Guard", "Marks", "Progress", "TensorBoard", "newest_checkpoint"]

CHECKPOINT_MARK = "complete"
_WATCHED = ("loss", "grad_norm")


class Guard(TrainerCallback):  # type: ignore[misc]
    """Stops at the first figure that is no number, before a checkpoint can be made of it."""

    def __init__(self, means: str = "the champion stays; lower learning.training.learning_rate") -> None:
        self._means = means

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Look at what was logged."""
        for name in _WATCHED:
            value = (logs or {}).get(name)
            if value is not None and not math.isfinite(float(value)):
                raise TrainingFailed(
                    f"{name} became {float(value)} at step {state.global_step} of {state.max_steps}: training was "
                    f"stopped and {self._means}"
                )


class Progress(TrainerCallback):  # type: ignore[misc]
    """Tells step, loss, margin and an estimate of what is left."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell
        self._begun, self._from = time.monotonic(), 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock; a resumed run begins at its checkpoint's step."""
        self._begun, self._from = time.monotonic(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Pass on a step."""
        if not logs or "loss" not in logs:
            return
        done = state.global_step - self._from
        pace = (time.monotonic() - self._begun) / max(1, done)
        margin = logs.get("rewards/margins")
        self._tell(
            step=state.global_step,
            steps=state.max_steps,
            loss=float(logs["loss"]),
            margin=None if margin is None else float(margin),
            seconds_left=round(pace * (state.max_steps - state.global_step), 1),
        )


class Marks(TrainerCallback):  # type: ignore[misc]
    """Marks a checkpoint as complete after its last file: a kill in the middle of saving leaves none to resume from."""

    def __init__(self, job_sha256: str) -> None:
        self._job = job_sha256

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the mark."""
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            (folder / CHECKPOINT_MARK).write_text(self._job, encoding="utf-8")


def newest_checkpoint(folder: Path, job_sha256: str) -> Path | None:
    """Return the newest complete checkpoint of exactly this job."""
    found = []
    for path in folder.glob("checkpoint-*"):
        mark = path / CHECKPOINT_MARK
        if mark.is_file() and mark.read_text(encoding="utf-8") == job_sha256:
            found.append((int(path.name.rsplit("-", 1)[-1]), path))
    return max(found)[1] if found else None


class TensorBoard(TrainerCallback):  # type: ignore[misc]
    """Event files in the run's folder; steps that a resumed run does again replace the first ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the event file."""
        if not state.is_world_process_zero:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        purge = state.global_step + 1 if state.global_step else None
        self._writer = SummaryWriter(str(self._folder), purge_step=purge)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Write the figures."""
        if self._writer is None:
            return
        for name, value in (logs or {}).items():
            if isinstance(value, int | float) and math.isfinite(value):
                self._writer.add_scalar(f"train/{name}", value, state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
