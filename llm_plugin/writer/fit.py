"""Setup, train, save: one fine-tuning job in this process. Imports torch, peft and TRL."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from llm_plugin.errors import DataError
from llm_plugin.reasoning.loading import Base, load_base
from llm_plugin.training.adapter_files import save_adapter
from llm_plugin.training.job import run_folder
from llm_plugin.training.quantized import trained_through
from llm_plugin.writer.chat import ChatFormat
from llm_plugin.writer.draws import drawn_rows
from llm_plugin.writer.estimate import LARGE_PARAMETERS
from llm_plugin.writer.examples import Examples, encode_rows
from llm_plugin.writer.job import SftJob
from llm_plugin.writer.rows import StrategyRow, read_rows, rows_sha256, split_rows
from llm_plugin.writer.settings import SftSettings
from llm_plugin.writer.trainer import Plan, lora_config, make_trainer, packs_exactly, precision_of, train
from llm_plugin.writer.variations import with_variations

__all__ = ["Tuned", "plan_of", "rows_of", "tune"]

Tell = Callable[..., None]


@dataclass(frozen=True)
class Tuned:
    """A trained adapter in a draft folder, and what is known of it."""

    draft: Path
    base: Base
    chat: ChatFormat
    plan: Plan
    facts: dict[str, Any]
    history: list[dict[str, Any]]


def rows_of(job: SftJob) -> list[StrategyRow]:
    """Read the rows that the job was made for.

    Raises:
        DataError: The file was changed since, or is broken.
    """
    rows = read_rows(job.dataset)
    found = rows_sha256(rows)
    if found != job.dataset_sha256:
        raise DataError(
            f"{job.dataset} has hash {found[:12]}, the job was made for {job.dataset_sha256[:12]}: it was changed "
            "meanwhile; start again"
        )
    return rows


def tune(job: SftJob, base_folder: Path, tell: Tell, *, main: bool = True) -> Tuned:
    """Train LoRA on the pairs and save its weights into a draft folder beside `job.out`.

    Args:
        job: What to train.
        base_folder: The base, on this disk.
        tell: Called with `stage` and, in training, `step`, `steps`, `loss`, `seconds_left`.
        main: False in the processes beside the first.

    Raises:
        TrainingFailed: NaN, or nothing to train on.
        ModelError: The base is damaged or of an architecture that is not known.
        DataError: A row is broken.
    """
    settings = job.settings
    torch.set_num_threads(settings.threads)
    if job.device != "cpu" and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    tell(stage="load")
    rows = rows_of(job)
    quantization = "int4" if settings.quantization == "nf4" else "none"
    base = load_base(base_folder, quantization=quantization, device=job.device)
    trained_through(base.model)
    chat = ChatFormat(base.tokenizer, settings.prompt_format)
    limit = min(settings.max_tokens, int(getattr(base.model.config, "max_position_embeddings", 0) or 1 << 20))
    own = split_rows(rows, "train")
    drawn = drawn_rows(own, job.standin.draws, settings.seed) if job.standin is not None else []
    learned = [*with_variations(own, settings.variations, settings.seed), *drawn]
    examples = encode_rows(learned, chat, limit)
    seen = split_rows(rows, "validation")[: settings.eval_rows]
    validation = encode_rows(seen, chat, limit) if seen else None
    plan = plan_of(settings, base.model, chat, examples)
    run = run_folder(job.out)
    begun = time.monotonic()
    tell(stage="prepare")
    trainer = make_trainer(base.model, base.tokenizer, settings, plan, examples, validation, run)
    history = train(trainer, job.sha256, run, tell, "train")
    facts = _facts(job, plan, trainer, history, time.monotonic() - begun)
    draft = job.out.with_name(job.out.name + ".part")
    if main:
        tell(stage="save")
        save_adapter(trainer, draft, base, otherwise="nothing of it is kept")
    del trainer
    gc.collect()
    return Tuned(draft, base, chat, plan, facts, history)


def plan_of(settings: SftSettings, model: Any, chat: ChatFormat, examples: Examples) -> Plan:
    """Resolve what the settings leave open."""
    parameters, cuda = _parameters(model), model.device.type == "cuda"
    checkpointing = settings.checkpointing
    if checkpointing is None:
        checkpointing = cuda and parameters >= LARGE_PARAMETERS
    targets = lora_config(settings, model).target_modules
    return Plan(
        rows=len(examples),
        too_long=examples.too_long,
        tokens=examples.tokens,
        parameters=parameters,
        targets=(targets,) if isinstance(targets, str) else tuple(sorted(targets)),
        batch=settings.micro_batch * settings.accumulation * settings.processes,
        packing=settings.packing == "auto" and cuda and packs_exactly(model, examples),
        checkpointing=checkpointing,
        precision=precision_of(settings, cuda=cuda),
        prompt_format=chat.kind,
    )


def _parameters(model: Any) -> int:
    """Count weights; four-bit ones are stored two in a byte."""
    return sum(2 * p.numel() if type(p).__name__ == "Params4bit" else p.numel() for p in model.parameters())


def _facts(job: SftJob, plan: Plan, trainer: Any, history: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    steps = [entry for entry in history if "loss" in entry]
    looked = [entry for entry in history if "eval_loss" in entry]
    return {
        "job_sha256": job.sha256,
        "steps": int(trainer.state.global_step),
        "train_seconds": round(seconds, 2),
        "first_loss": float(steps[0]["loss"]),
        "last_loss": float(steps[-1]["loss"]),
        "evaluations": [
            {"step": entry["step"], "loss": entry["eval_loss"], "accuracy": entry.get("eval_mean_token_accuracy")}
            for entry in looked
        ],
        "recipe": plan.to_json(),
        "settings": job.settings.model_dump(mode="json"),
        "standin": None if job.standin is None else job.standin.model_dump(mode="json"),
    }
