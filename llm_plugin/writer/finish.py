"""From trained weights to an adapter that can serve: manifest, card, and the rename that makes it exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm_plugin.errors import TrainingFailed
from llm_plugin.reasoning.model_folder import ModelManifest, check_adapter, write_manifest
from llm_plugin.training.finish import package_versions
from llm_plugin.writer.chat import INST_TEMPLATE
from llm_plugin.writer.fit import Tuned
from llm_plugin.writer.job import NO_MARKET_DATA, SftJob

__all__ = ["finish"]


def finish(job: SftJob, tuned: Tuned, base_folder: Path) -> ModelManifest:
    """Check that the saved adapter loads, write card and manifest, and move it in place.

    Raises:
        ModelError: What was saved does not load.
        TrainingFailed: `job.out` appeared meanwhile.
    """
    hashes = tuned.base.hashes
    manifest = ModelManifest(
        kind="lora-adapter",
        name=job.name,
        base_tensors_sha256=hashes["base tensors"],
        tokenizer_sha256=hashes["tokenizer"],
        action_token_ids={},
        prompt_version=tuned.chat.version,
        feature_schema_version="none",
        data_cutoff_utc=NO_MARKET_DATA,
        dataset_sha256=job.dataset_sha256,
        quantization="int4" if job.settings.quantization == "nf4" else "none",
        training={**tuned.facts, "base": tuned.base.version, "versions": package_versions()},
    )
    _write_card(tuned.draft, manifest)
    if tuned.chat.kind == "inst":
        (tuned.draft / "chat_template.jinja").write_text(INST_TEMPLATE, encoding="utf-8", newline="\n")
    written = write_manifest(tuned.draft, manifest)
    check_adapter(tuned.draft, base_folder, prompt_version=tuned.chat.version, hashes=hashes)
    if job.out.exists():
        raise TrainingFailed(f"{job.out} appeared while it was trained: give another folder")
    tuned.draft.rename(job.out)
    return written


def _write_card(folder: Path, manifest: ModelManifest) -> None:
    facts: dict[str, Any] = dict(manifest.training)
    recipe, settings = facts["recipe"], facts["settings"]
    looked = facts["evaluations"][-1] if facts["evaluations"] else None
    lines = [
        f"# {manifest.name}",
        "",
        "A LoRA adapter that writes LEAN strategies in Python from a description.",
        "",
        f"- base: {facts['base']} (tensors {manifest.base_tensors_sha256[:12]}), quantization {manifest.quantization}",
        f"- dataset: {manifest.dataset_sha256[:12]}, {recipe['rows']} rows of its training split with variations, "
        f"{recipe['too_long']} too long",
        f"- LoRA: rank {settings['rank']}, alpha {settings['alpha']}, dropout {settings['dropout']}, "
        f"on {', '.join(recipe['targets'])}{', embeddings trained' if settings['train_embeddings'] else ''}",
        f"- {facts['steps']} steps of {recipe['batch']} rows, learning rate {settings['learning_rate']:g}, "
        f"seed {settings['seed']}; loss on the completion only",
        f"- loss {facts['first_loss']:.4f} at first, {facts['last_loss']:.4f} at last"
        + (f"; on validation {looked['loss']:.4f}" if looked else ""),
        f"- questions: {manifest.prompt_version}",
        "",
        "All settings, seeds and versions are in `manifest.json`. Loading it on another base is refused.",
        "What it writes is code that nobody has read: run it in the sandbox, as `lean-llm generate` does.",
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
