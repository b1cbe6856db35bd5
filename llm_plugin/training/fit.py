"""Setup, train, save: one training job in this process. Imports torch, peft and TRL."""

from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from llm_plugin.domain import Action
from llm_plugin.errors import ModelError, TrainingFailed
from llm_plugin.learning.dataset import Dataset, read_dataset
from llm_plugin.reasoning.loading import Base, load_base, local_base
from llm_plugin.reasoning.scoring import action_token_ids
from llm_plugin.training.adapter_files import ADAPTER, save_adapter
from llm_plugin.training.callbacks import Guard, Marks, Progress, TensorBoard, newest_checkpoint
from llm_plugin.training.job import TrainingJob, run_folder
from llm_plugin.training.quantized import trained_through
from llm_plugin.training.recipe import Recipe, choose_method, make_recipe

__all__ = ["Fitted", "fit", "make_trainer", "trainable", "training_rows_of"]

Tell = Callable[..., None]


@dataclass(frozen=True)
class Fitted:
    """A trained adapter in a draft folder, and what is known of it."""

    draft: Path
    dataset: Dataset
    base: Base
    recipe: Recipe
    facts: dict[str, Any]
    history: list[dict[str, Any]]


def fit(job: TrainingJob, tell: Tell, *, main: bool = True) -> Fitted:
    """Train and save the adapter's weights into a draft folder beside `job.out`.

    Args:
        job: What to train.
        tell: Called with `stage` and, in training, `step`, `steps`, `loss`, `margin`, `seconds_left`.
        main: False in the processes beside the first.

    Raises:
        TrainingFailed: NaN, wrong reference, or nothing to train on.
        ModelError: Base, parent or dataset do not fit.
    """
    torch.set_num_threads(job.settings.threads)
    if job.device != "cpu" and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    tell(stage="load")
    dataset = _dataset(job)
    base = load_base(
        local_base(job.base),
        quantization=job.base_quantization,
        device=job.device,
        prompt_version=job.prompt_version or None,
    )
    rows, method, too_long = training_rows_of(dataset, base, job)
    recipe = make_recipe(
        job.settings,
        method=method,
        rows=len(rows),
        parameters=sum(p.numel() for p in base.model.parameters()),
        layers=[name for name, _ in base.model.named_modules()],
        cuda=base.model.device.type == "cuda",
    )
    run = run_folder(job.out)
    progress = Progress(lambda **step: tell(stage="train", **step))
    begun = time.monotonic()
    tell(stage="reference", steps=recipe.steps)
    trainer = make_trainer(job, recipe, trainable(job, base), base.tokenizer, rows, run)
    trainer.add_callback(Guard())
    trainer.add_callback(progress)
    trainer.add_callback(Marks(job.sha256))
    trainer.add_callback(TensorBoard(run / "tensorboard"))
    resume = newest_checkpoint(run / "checkpoints", job.sha256)
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
    facts = _facts(job, recipe, trainer, time.monotonic() - begun) | {"too_long": too_long}
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    draft = job.out.with_name(job.out.name + ".part")
    if main:
        tell(stage="save")
        save_adapter(trainer, draft, base, otherwise="the champion stays")
    del trainer
    gc.collect()
    return Fitted(draft, dataset, base, recipe, facts, history)


def _dataset(job: TrainingJob) -> Dataset:
    dataset = read_dataset(job.dataset)
    found = dataset.manifest.prompt_version
    if job.prompt_version and found != job.prompt_version:
        raise ModelError(
            f"{job.dataset} was made of prompts {found}, but {job.prompt_version} is configured: "
            "restore the templates, or collect outcomes with the new ones"
        )
    return dataset


def training_rows_of(dataset: Dataset, base: Base, job: TrainingJob) -> tuple[list[dict[str, Any]], Any, int]:
    """Return TRL's rows with weights of mean one, the method, and how many rows are too long for the base."""
    pairs, labels = dataset.pairs, dataset.kto
    method = choose_method(len(pairs), len(labels))
    if method == "dpo":
        rows = [
            {"prompt": row.prompt, "chosen": row.chosen, "rejected": row.rejected, "weight": row.weight}
            for row in pairs
        ]
    else:
        rows = [
            {"prompt": row.prompt, "completion": text, "label": label, "weight": row.weight}
            for row in pairs
            for text, label in ((row.chosen, True), (row.rejected, False))
        ]
        rows += [
            {"prompt": row.prompt, "completion": row.completion, "label": row.label, "weight": row.weight}
            for row in labels
        ]
    kept = _fitting(rows, base)
    total = sum(row["weight"] for row in kept)
    if not kept or not total > 0:
        raise TrainingFailed(
            f"{job.dataset} has {len(pairs)} pairs and {len(labels)} labels, {len(rows) - len(kept)} of them too long "
            "for the base: nothing to train on"
        )
    mean = total / len(kept)
    return [{**row, "weight": row["weight"] / mean} for row in kept], method, len(rows) - len(kept)


def _fitting(rows: list[dict[str, Any]], base: Base) -> list[dict[str, Any]]:
    longest = getattr(base.model.config, "max_position_embeddings", None)
    if longest is None or not rows:
        return rows
    answers = [max((row[k] for k in ("chosen", "rejected", "completion") if k in row), key=len) for row in rows]
    texts = [row["prompt"] + answer for row, answer in zip(rows, answers, strict=True)]
    lengths = [len(ids) for ids in base.tokenizer(texts)["input_ids"]]
    return [row for row, length in zip(rows, lengths, strict=True) if length + 2 <= longest]


def trainable(job: TrainingJob, base: Base) -> Any:
    """Return the model with the adapter in service ready to be trained further, or the bare base.

    Raises:
        ModelError: The adapter belongs to another base, tokenizer, template or quantisation.
    """
    trained_through(base.model)
    if job.parent_adapter is None:
        return base.model
    manifest = base.check_adapter(job.parent_adapter)
    model, _ = base.with_adapter(base.model, job.parent_adapter, manifest)
    model.peft_config[ADAPTER].inference_mode = False
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(f".{ADAPTER}" in name and "lora_" in name)
    return model


def make_trainer(
    job: TrainingJob, recipe: Recipe, model: Any, tokenizer: Any, rows: list[dict[str, Any]], run: Path
) -> Any:
    """Return TRL's trainer for this recipe.

    Args:
        job: What is trained.
        recipe: The resolved settings.
        model: From `trainable`.
        tokenizer: Of the base.
        rows: TRL's columns and `weight`.
        run: Folder for checkpoints.
    """
    from peft import LoraConfig
    from trl import DPOConfig, KTOConfig

    from llm_plugin.training.trainer import WeightedDPOTrainer, WeightedKTOTrainer

    settings = job.settings
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=recipe.dropout,
        target_modules=recipe.targets if isinstance(recipe.targets, str) else list(recipe.targets),
        task_type="CAUSAL_LM",
    )
    common = {**_arguments(job, recipe, model, run), "beta": settings.beta, "disable_dropout": recipe.dropout == 0}
    options: dict[str, Any] = {
        "model": model,
        "processing_class": tokenizer,
        "peft_config": lora if job.parent_adapter is None else None,
        "actions": list(action_token_ids(tokenizer, tuple(Action)).values()),
    }
    if recipe.method == "kto":
        # No class weights: rows weigh by R, so that gains and losses balance where the expectation is zero.
        arguments: Any = KTOConfig(**common)
        options["train_dataset"] = _table(arguments, rows, run)
        trainer: Any = WeightedKTOTrainer(args=arguments, packing=False, **options)
        trainer.sft_weight = settings.sft_weight
        return trainer
    arguments = DPOConfig(loss_type=["sigmoid", "sft"], loss_weights=[1.0, settings.sft_weight], **common)
    options["train_dataset"] = _table(arguments, rows, run)
    packing = settings.processes == 1 and not recipe.checkpointing
    return WeightedDPOTrainer(args=arguments, packing=packing, **options)


def _table(arguments: Any, rows: list[dict[str, Any]], run: Path) -> Any:
    """Return the rows as a table on disk: what TRL computes beside it is then in one place for all processes."""
    from datasets import Dataset as Table
    from datasets import load_from_disk

    folder = run / "cache" / "rows"
    with arguments.main_process_first(desc="write rows"):
        if arguments.process_index == 0:
            shutil.rmtree(folder, ignore_errors=True)
            Table.from_list(rows).save_to_disk(str(folder))
    return load_from_disk(str(folder))


def _arguments(job: TrainingJob, recipe: Recipe, model: Any, run: Path) -> dict[str, Any]:
    settings, cuda = job.settings, model.device.type == "cuda"
    return {
        "output_dir": str(run / "checkpoints"),
        "max_steps": recipe.steps,
        "per_device_train_batch_size": recipe.micro_batch,
        "gradient_accumulation_steps": recipe.accumulation,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": recipe.warmup_steps,
        "optim": "adamw_torch",
        "max_length": None,  # rows that are too long were left out and counted; half a prompt is another question
        "precompute_ref_log_probs": True,
        "save_strategy": "steps",
        "save_steps": settings.save_steps,
        "save_total_limit": 2,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "use_cpu": not cuda,
        "bf16": cuda,
        "gradient_checkpointing": recipe.checkpointing,
        "dataloader_pin_memory": cuda,
        "ddp_backend": None if settings.processes == 1 else "nccl" if cuda else "gloo",
    }


def _facts(job: TrainingJob, recipe: Recipe, trainer: Any, seconds: float) -> dict[str, Any]:
    steps = [entry for entry in trainer.state.log_history if "loss" in entry]
    first, last = steps[0], steps[-1]
    return {
        "job_sha256": job.sha256,
        "steps": int(trainer.state.global_step),
        "train_seconds": round(seconds, 2),
        "packed_forward": bool(trainer.packed),
        "tokens": int(last.get("num_tokens", 0)),
        "first_loss": float(first["loss"]),
        "first_margin": float(first.get("rewards/margins", 0.0)),
        "last_loss": float(last["loss"]),
        "last_margin": float(last.get("rewards/margins", 0.0)),
        "last_accuracy": float(last.get("rewards/accuracies", 0.0)),
        "recipe": asdict(recipe),
        "settings": job.settings.model_dump(mode="json"),
    }
