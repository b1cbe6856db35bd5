"""Fine-tune a base to write LEAN strategies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact

from flows.shared import RETRIES, Progress, table_rows
from llm_plugin.writer.prepare import prepare, run_prepared
from llm_plugin.writer.settings import preset_named, with_values

__all__ = ["train_strategy_writer"]


@task(name="fine-tune", timeout_seconds=48 * 3600, **RETRIES)
def fine_tune(
    preset: str, base: str | None, dataset: Path, out: Path | None, values: dict[str, str], register: bool
) -> dict[str, Any]:
    """Train in a process of its own; a retry goes on from the last checkpoint."""
    prepared = prepare(with_values(preset_named(preset), values), base=_place(base), dataset=dataset, out=out)
    seconds = prepared.seconds
    get_run_logger().info(
        "%s rows, %d steps, about %.1f GiB, %s",
        prepared.rows,
        prepared.sft.steps,
        prepared.sft.memory_bytes / (1 << 30),
        "time not known" if seconds is None else f"about {seconds / 60:.0f} minutes",
    )
    tell = Progress("strategy-writer", "Training the strategy writer")
    result, version = run_prepared(prepared, lambda step: tell(step.stage, step.fraction), register=register)
    looked = result.facts["evaluations"]
    return {
        "adapter": str(result.adapter),
        "version": result.version,
        "registered_as": version or "–",
        "steps": result.steps,
        "first_loss": result.facts["first_loss"],
        "last_loss": result.facts["last_loss"],
        "validation_loss": looked[-1]["loss"] if looked else None,
        "dataset": prepared.job.dataset_sha256[:12],
    }


@flow(name="train-strategy-writer", timeout_seconds=72 * 3600)
def train_strategy_writer(
    preset: str = "standin",
    base: str | None = None,
    dataset: Path = Path("datasets/strategies"),
    out: Path | None = None,
    values: dict[str, str] | None = None,
    register: bool = True,
) -> dict[str, Any]:
    """Fine-tune by LoRA, register the adapter, and leave a table in the UI.

    Args:
        preset: `standin` trains a small model here; `7b` needs a base.
        base: Folder of the base, or its name in the local Hugging Face cache.
        dataset: File or folder of rows.
        out: The adapter's folder; None = in the plugin's home.
        values: Other values by setting, such as `{"rank": "8", "quantization": "nf4"}`.
        register: Put the adapter into the registry `strategy-writer`.
    """
    row = fine_tune(preset, base, dataset, out, values or {}, register)
    create_table_artifact(table_rows([row]), key="strategy-writer-trained", description="What this training left")
    return row


def _place(base: str | None) -> Path | str | None:
    return Path(base) if base is not None and Path(base).exists() else base


if __name__ == "__main__":
    train_strategy_writer(preset="standin", dataset=Path("datasets/strategies"))
