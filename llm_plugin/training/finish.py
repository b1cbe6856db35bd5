"""From trained weights to a version that can serve: calibrator, card, manifest, and the rename that makes it exist."""

from __future__ import annotations

import math
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from llm_plugin.domain import Action
from llm_plugin.errors import TrainingFailed
from llm_plugin.learning.types import MaturedDecision
from llm_plugin.reasoning.calibrator import MIN_CALIBRATION_ROWS, Calibrator
from llm_plugin.reasoning.canary import record_states
from llm_plugin.reasoning.loading import local_base
from llm_plugin.reasoning.model_folder import ModelManifest, check_adapter, read_manifest, write_manifest
from llm_plugin.training.fit import Fitted
from llm_plugin.training.job import TrainingJob

__all__ = ["finish", "package_versions"]

CANARY_STATES = 32
_PACKAGES = ("lean-llm-plugin", "torch", "transformers", "peft", "trl", "accelerate", "datasets", "bitsandbytes")


def finish(job: TrainingJob, fitted: Fitted) -> ModelManifest:
    """Load the saved adapter as serving would, fit the calibrator with it, write card and manifest, move it in place.

    Raises:
        TrainingFailed: The new adapter gives no finite score.
        ModelError: What was saved does not load.
    """
    from llm_plugin.reasoning.scoring import action_token_ids
    from llm_plugin.reasoning.transformers_model import TransformersModel

    folder, dataset = local_base(job.base), fitted.dataset
    model = TransformersModel.load(
        folder,
        quantization=job.base_quantization,
        device=job.device,
        threads=job.settings.threads,
        adapter=fitted.draft,
        prompt_version=job.prompt_version or None,
    )
    calibrator, figures = _calibrate(model, dataset.calibration)
    hashes = fitted.base.hashes
    parent = read_manifest(job.parent_adapter) if job.parent_adapter is not None else None
    manifest = ModelManifest(
        kind="lora-adapter",
        name=job.name,
        base_tensors_sha256=hashes["base tensors"],
        tokenizer_sha256=hashes["tokenizer"],
        action_token_ids={
            action.value: list(ids) for action, ids in action_token_ids(model.tokenizer, tuple(Action)).items()
        },
        prompt_version=dataset.manifest.prompt_version,
        feature_schema_version=",".join(dataset.manifest.schema_versions),
        data_cutoff_utc=dataset.manifest.as_of_utc.isoformat(),
        dataset_sha256=dataset.manifest.sha256,
        calibrator=None if calibrator is None else calibrator.to_json(),
        parent=parent.version if parent is not None else None,
        quantization=job.base_quantization,
        training={
            **fitted.facts,
            "base": fitted.base.version,
            "counts": dataset.manifest.counts,
            "calibration": figures,
            "canary": _canary(model, dataset.calibration),
            "versions": package_versions(),
        },
    )
    _write_card(fitted.draft, manifest)
    written = write_manifest(fitted.draft, manifest)
    check_adapter(fitted.draft, folder, prompt_version=job.prompt_version or None, hashes=hashes)
    fitted.draft.rename(job.out)
    return written


def _calibrate(model: Any, decisions: list[MaturedDecision]) -> tuple[Calibrator | None, dict[str, Any]]:
    """Fit P(replayed net R > 0) on decisions that training has not seen."""
    known = [d for d in decisions if d.prompt is not None and d.net_r is not None]
    if not known:
        return None, {"rows": 0}
    scores = model.score([d.prompt for d in known], [(d.signal_action, Action.HOLD) for d in known])
    margins = [score.margin for score in scores]
    if not all(math.isfinite(margin) for margin in margins):
        raise TrainingFailed("the trained adapter gives scores that are no numbers; the champion stays")
    net = [float(d.net_r or 0.0) for d in known]
    taken = [value for value, score in zip(net, scores, strict=True) if score.action is not Action.HOLD]
    figures = {
        "rows": len(known),
        "approval_fraction": len(taken) / len(known),
        "mean_net_r": sum(net) / len(net),
        "mean_net_r_of_approved": sum(taken) / len(taken) if taken else None,
        "action_mass": sum(score.action_mass for score in scores) / len(scores),
    }
    if len(known) < MIN_CALIBRATION_ROWS:
        return None, figures
    return Calibrator.fit(margins, [value > 0 for value in net]), figures


def _canary(model: Any, decisions: list[MaturedDecision]) -> list[dict[str, Any]]:
    """What the new generation answers to a few questions: whoever loads it, here or on a server, must get the same."""
    asked = [d for d in decisions if d.prompt is not None][:CANARY_STATES]
    return record_states(model, [d.prompt for d in asked if d.prompt], [(d.signal_action, Action.HOLD) for d in asked])


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that training depends on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _write_card(folder: Path, manifest: ModelManifest) -> None:
    training, recipe = manifest.training, manifest.training["recipe"]
    lines = [
        f"# {manifest.name}",
        "",
        "A LoRA adapter of the trade validator, trained on what its decisions led to.",
        "",
        f"- base: {training['base']} (tensors {manifest.base_tensors_sha256[:12]}), quantization "
        f"{manifest.quantization}",
        f"- parent: {manifest.parent or 'none: the base is the reference'}",
        f"- dataset: {manifest.dataset_sha256[:12]}, nothing in it is later than {manifest.data_cutoff_utc}",
        f"- method: {recipe['method']}, {recipe['rows']} rows, {training['steps']} steps of {recipe['batch']}, "
        f"learning rate {recipe['learning_rate']:g}, seed {training['settings']['seed']}",
        f"- first step: loss {training['first_loss']:.4f}, reward margin {training['first_margin']:.2g} "
        "(zero: the reference is right)",
        f"- last step: loss {training['last_loss']:.4f}, reward margin {training['last_margin']:.3g}",
        f"- calibration slice: {training['calibration']}",
        f"- prompts {manifest.prompt_version}, features {manifest.feature_schema_version}",
        "",
        "All settings, seeds and versions are in `manifest.json`. It answers questions of its own prompt templates on",
        "its own base only; loading it elsewhere is refused.",
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
