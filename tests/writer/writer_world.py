"""Jobs small enough to train within seconds."""

from __future__ import annotations

from pathlib import Path

from llm_plugin.writer.job import SftJob
from llm_plugin.writer.rows import read_rows, rows_sha256
from llm_plugin.writer.settings import PRESETS, with_values

__all__ = ["QUICK", "make_job"]

QUICK = {
    "standin.hidden": "32",
    "standin.layers": "2",
    "standin.vocabulary": "600",
    "standin.draws": "4",
    "standin.steps": "6",
    "standin.save_steps": "3",
    "standin.batch_tokens": "800",
    "rank": "4",
    "max_steps": "6",
    "micro_batch": "4",
    "variations": "1",
    "eval_steps": "3",
    "save_steps": "2",
    "log_steps": "1",
    "threads": "1",
}


def make_job(rows: Path, folder: Path, base: Path | None = None, **values: str) -> SftJob:
    """Return a job that trains a stand-in of a few thousand weights for a few steps."""
    preset = with_values(PRESETS["standin"], {**QUICK, **values})
    return SftJob(
        base=base or folder / "base",
        dataset=rows,
        dataset_sha256=rows_sha256(read_rows(rows)),
        out=folder / "adapter",
        settings=preset.sft,
        standin=preset.standin,
    )
