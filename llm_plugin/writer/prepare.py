"""From what a user asks to a checked job with its estimate, and from the job to a registered adapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llm_plugin.errors import ConfigError
from llm_plugin.files import home
from llm_plugin.training.job import TrainingStep
from llm_plugin.writer.estimate import (
    BaseShape,
    Estimate,
    Machine,
    estimate,
    machine_here,
    refuse_what_cannot_fit,
    shape_of,
    standin_shape,
)
from llm_plugin.writer.job import SftJob, SftResult, new_standin_folders, use_standin
from llm_plugin.writer.process import train_writer
from llm_plugin.writer.rows import StrategyRow, read_rows, rows_sha256, split_rows
from llm_plugin.writer.settings import Preset, SftSettings

__all__ = ["REGISTRY_NAME", "Prepared", "prepare", "run_prepared"]

REGISTRY_NAME = "strategy-writer"
DATASET = Path("datasets/strategies")
_CHARACTERS_PER_TOKEN = {"standin": 10.0, "other": 3.2}


@dataclass(frozen=True)
class Prepared:
    """A job that was looked at and not begun.

    Attributes:
        job: What will be trained.
        rows: Rows by split.
        sft: Estimate of the fine-tuning.
        base: Estimate of the stand-in's base; None where the base is given.
        machine: Where it will run.
        tokens_counted: False where the base's tokenizer is not there yet and tokens are guessed from characters.
    """

    job: SftJob
    rows: dict[str, int]
    sft: Estimate
    base: Estimate | None
    machine: Machine
    tokens_counted: bool

    @property
    def seconds(self) -> float | None:
        """Of everything; None where it cannot be told."""
        parts = [self.sft.seconds, *([self.base.seconds] if self.base else [])]
        return None if any(part is None for part in parts) else sum(part for part in parts if part is not None)


def prepare(
    preset: Preset,
    *,
    base: Path | str | None = None,
    dataset: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    mlflow_uri: str | None = None,
    measure: bool = True,
) -> Prepared:
    """Check everything that can be checked before weights are loaded.

    Args:
        preset: Settings.
        base: Folder or hub name; a stand-in needs none.
        dataset: Rows; None = the project's own.
        out: The adapter's folder; None = in the plugin's home.
        device: `auto`, `cpu` or `cuda`.
        mlflow_uri: MLflow that gets a copy of the figures.
        measure: Time the machine for an estimate of the duration.

    Raises:
        ConfigError: No base, or it cannot fit on this machine; names both figures and the remedy.
        DataError: The rows are broken.
        ModelError: The base is no causal language model, or not on this disk.
    """
    rows = read_rows(dataset or DATASET)
    job = _job(preset, rows, base, dataset or DATASET, out, device, mlflow_uri)
    machine = machine_here(device, job.out.parent, preset.sft, measure=measure)
    train = split_rows(rows, "train")
    shape, counted = _shape(job, train)
    tokens, longest = _tokens(job, train)
    drawn = 0 if job.standin is None else job.standin.draws
    learned = len(train) * (1 + preset.sft.variations) + drawn
    tokens = tokens * learned // len(train)
    found = estimate(shape, preset.sft, rows=learned, tokens=tokens, longest=longest, machine=machine)
    own = _base_estimate(job, shape, machine) if job.standin is not None else None
    refuse_what_cannot_fit(found, machine, preset.sft)
    by_split = {name: len(split_rows(rows, name)) for name in ("train", "validation", "test")}
    return Prepared(job, by_split, found, own, machine, counted)


def run_prepared(
    prepared: Prepared, on_step: Callable[[TrainingStep], None] = lambda step: None, *, register: bool = False
) -> tuple[SftResult, str | None]:
    """Train, and put the adapter into the registry where that is wanted.

    Returns:
        The result, and the version's id in the registry.

    Raises:
        TrainingFailed: NaN loss, worker lost.
        StoreUnavailable: The disk is full; complete checkpoints are kept.
    """
    result = train_writer(prepared.job, on_step)
    if prepared.job.out == _own_places(prepared.job)[1]:
        use_standin(_own_name(prepared.job))
    if not register:
        return result, None
    from llm_plugin.reasoning.loading import local_base
    from llm_plugin.registry.store import Registry

    facts = {"dataset": prepared.job.dataset_sha256, "steps": result.steps, "base": str(result.facts["base"])}
    folder = local_base(prepared.job.base)
    version = Registry(name=REGISTRY_NAME).register(result.adapter, parent=None, facts=facts, base=folder)
    return result, version.id


def _job(
    preset: Preset,
    rows: list[StrategyRow],
    base: Path | str | None,
    dataset: Path,
    out: Path | None,
    device: str,
    mlflow_uri: str | None,
) -> SftJob:
    if preset.standin is None and base is None:
        raise ConfigError(f"preset {preset.name} needs --base: a folder, or a name such as {', '.join(preset.bases)}")
    digest = rows_sha256(rows)
    job = SftJob(
        base="" if base is None else Path(base) if preset.standin is not None else base,
        dataset=dataset,
        dataset_sha256=digest,
        out=Path(),
        settings=preset.sft,
        standin=preset.standin,
        device=device,
        mlflow_uri=mlflow_uri,
    )
    if preset.standin is None:
        name = f"{Path(str(base)).name}-{job.sha256[:12]}"
        return replace(job, out=out or home() / "models" / "writer" / "adapters" / name)
    own_base, own_adapter = _own_places(job)
    if base is None:
        return replace(job, base=own_base, out=out or own_adapter)
    return replace(job, out=out or Path(base).with_name("adapter"))


def _own_name(job: SftJob) -> str:
    return job.sha256[:12]


def _own_places(job: SftJob) -> tuple[Path, Path]:
    """Where a stand-in goes that nobody named a place for."""
    return new_standin_folders(_own_name(job))


def _shape(job: SftJob, rows: list[StrategyRow]) -> tuple[BaseShape, bool]:
    if job.standin is not None:
        return standin_shape(job.standin), False
    from llm_plugin.reasoning.loading import local_base

    return shape_of(local_base(job.base)), _tokenizer(job) is not None


def _tokenizer(job: SftJob) -> Any:
    if job.standin is not None:
        return None
    from transformers import AutoTokenizer

    from llm_plugin.reasoning.loading import local_base

    try:
        return AutoTokenizer.from_pretrained(str(local_base(job.base)), trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError, TypeError):
        return None


def _tokens(job: SftJob, rows: list[StrategyRow]) -> tuple[int, int]:
    """Return the tokens of all rows and of the longest one that will be trained on."""
    texts = [f"{row.instruction}\n{row.completion}" for row in rows]
    tokenizer = _tokenizer(job)
    if tokenizer is None:
        per_token = _CHARACTERS_PER_TOKEN["standin" if job.standin is not None else "other"]
        lengths = [round(len(text) / per_token) for text in texts]
    else:
        lengths = [len(ids) for ids in tokenizer(texts)["input_ids"]]
    kept = [length for length in lengths if length <= job.settings.max_tokens] or [job.settings.max_tokens]
    return sum(kept), max(kept)


def _base_estimate(job: SftJob, shape: BaseShape, machine: Machine) -> Estimate | None:
    plan = job.standin
    if plan is None:
        return None
    settings = SftSettings(micro_batch=1, accumulation=1, epochs=1.0, max_steps=plan.steps)
    tokens = plan.batch_tokens
    return estimate(
        shape,
        settings,
        rows=plan.steps,
        tokens=plan.steps * tokens,
        longest=tokens,
        machine=machine,
        full=True,
        seen_together=plan.context // 4,
    )
