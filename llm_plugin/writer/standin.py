"""The base of the stand-in: a tokenizer and a small Llama, a plain language model of the training split's code.

It has seen no instruction; what it writes is code of no particular wish.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from llm_plugin.bootstrap.network import save_network
from llm_plugin.errors import ModelError
from llm_plugin.reasoning.model_folder import (
    ModelManifest,
    base_hashes,
    check_model_folder,
    read_manifest,
    write_manifest,
)
from llm_plugin.training.finish import package_versions
from llm_plugin.training.job import run_folder
from llm_plugin.writer.chat import ChatFormat
from llm_plugin.writer.draws import drawn_rows
from llm_plugin.writer.examples import encode_texts
from llm_plugin.writer.job import NO_MARKET_DATA, SftJob
from llm_plugin.writer.network import base_texts, build_code_network, build_code_tokenizer
from llm_plugin.writer.rows import StrategyRow, split_rows
from llm_plugin.writer.settings import SftSettings, StandinSettings
from llm_plugin.writer.trainer import Plan, make_trainer, precision_of, train

__all__ = ["KIND", "finished_base", "train_base"]

KIND = "standin-llm"
VALIDATION = 40


def finished_base(job: SftJob) -> bool:
    """Return whether the base of exactly this job is there.

    Raises:
        ModelError: The folder holds something else, or it is damaged.
    """
    folder = Path(job.base)
    if not folder.exists():
        return False
    manifest = check_model_folder(folder)
    if manifest is None or manifest.kind != KIND:
        raise ModelError(f"{folder} exists and is no base of a stand-in: give another folder with --base")
    return manifest.training.get("base_sha256") == job.base_sha256


def train_base(job: SftJob, rows: list[StrategyRow], tell: Callable[..., None], *, main: bool = True) -> None:
    """Train the base into `job.base`; a killed run goes on from its last checkpoint.

    Args:
        job: With settings of the stand-in.
        rows: All rows; only the training split is read, and validation for a figure.
        tell: Called with progress.
        main: False in the processes beside the first.
    """
    plan = job.standin or StandinSettings()
    folder, seed = Path(job.base), job.settings.seed
    run, draft = run_folder(folder), folder.with_name(folder.name + ".part")
    torch.set_num_threads(job.settings.threads)
    tell(stage="tokenizer")
    learned = split_rows(rows, "train")
    learned += drawn_rows(learned, plan.draws, seed)
    texts = [text for row in learned for text in (row.completion, row.instruction)]
    if main:
        shutil.rmtree(draft, ignore_errors=True)
    tokenizer = build_code_tokenizer(texts, draft if main else run / "tokenizer", plan.vocabulary, plan.context)
    model = build_code_network(tokenizer, plan, seed)
    settings, examples, validation = _encoded(job, plan, learned, split_rows(rows, "validation"), tokenizer)
    recipe = Plan(
        rows=len(examples),
        too_long=examples.too_long,
        tokens=examples.tokens,
        parameters=sum(p.numel() for p in model.parameters()),
        targets=(),
        batch=settings.micro_batch * settings.processes,
        packing=False,
        checkpointing=False,
        precision=precision_of(settings, cuda=False),
        prompt_format="none",
    )
    trainer = make_trainer(model, tokenizer, settings, recipe, examples, validation, run)
    history = train(trainer, job.base_sha256, run, tell, "base")
    if not main:
        return
    save_network(trainer.accelerator.unwrap_model(trainer.model), draft)
    hashes = base_hashes(draft)
    facts = _base_facts(job, recipe, settings, history)
    write_manifest(draft, _manifest(job, hashes, facts))
    _put_in_place(draft, folder)
    shutil.rmtree(run, ignore_errors=True)


def _encoded(
    job: SftJob, plan: StandinSettings, learned: list[StrategyRow], seen: list[StrategyRow], tokenizer: Any
) -> tuple[SftSettings, Any, Any]:
    """Return settings for TRL, and texts for as many epochs as the steps need."""
    seed = job.settings.seed
    chat = ChatFormat(tokenizer)
    once = encode_texts(base_texts(learned, seed), chat, plan.context)
    batch = max(1, round(plan.batch_tokens * len(once) / once.tokens))
    epochs = -(-plan.steps * batch // max(1, len(once)))
    texts = [text for epoch in range(epochs) for text in base_texts(learned, seed + epoch)]
    examples = encode_texts(texts, chat, plan.context)
    seen = seen[:VALIDATION]
    validation = encode_texts([("", row.completion) for row in seen], chat, plan.context) if seen else None
    settings = SftSettings(
        epochs=1.0,
        max_steps=plan.steps,
        micro_batch=batch,
        accumulation=1,
        learning_rate=plan.learning_rate,
        warmup_fraction=0.05,
        weight_decay=0.05,
        beta2=0.95,
        eval_steps=plan.steps,
        save_steps=plan.save_steps,
        log_steps=job.settings.log_steps,
        threads=job.settings.threads,
        processes=job.settings.processes,
        precision=job.settings.precision,
        seed=seed,
    )
    return settings, examples, validation


def _base_facts(job: SftJob, plan: Plan, settings: SftSettings, history: list[dict[str, Any]]) -> dict[str, Any]:
    losses = [entry["loss"] for entry in history if "loss" in entry]
    seen = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    return {
        "base_sha256": job.base_sha256,
        "recipe": plan.to_json(),
        "settings": settings.model_dump(mode="json"),
        "standin": None if job.standin is None else job.standin.model_dump(mode="json"),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "validation_loss": seen[-1] if seen else None,
        "versions": package_versions(),
    }


def _manifest(job: SftJob, hashes: dict[str, str], facts: dict[str, Any]) -> ModelManifest:
    return ModelManifest(
        kind=KIND,
        name="writer-standin",
        base_tensors_sha256=hashes["base tensors"],
        tokenizer_sha256=hashes["tokenizer"],
        action_token_ids={},
        prompt_version="none",
        feature_schema_version="none",
        data_cutoff_utc=NO_MARKET_DATA,
        dataset_sha256=job.dataset_sha256,
        training=facts,
    )


def _put_in_place(draft: Path, folder: Path) -> None:
    """Exchange the folder; an older base of another dataset makes way only now."""
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    if read_manifest(folder) is None:
        raise ModelError(f"{folder} was written and has no manifest")
