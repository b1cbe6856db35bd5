"""A planted market whose rule turns round, a model that is a threshold with a sign, a trainer that finds both.

A cycle takes a tenth of a second. Nothing else is replaced: bars, walk, validator, store, pairs, dataset, gate,
registry, database, generations and watch are the real ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from llm_plugin.bootstrap.metalabel import save_meta_label
from llm_plugin.bootstrap.tabular import TabularEncoder
from llm_plugin.cycle.words import TrainerTask
from llm_plugin.domain import Action
from llm_plugin.prompts import PromptRenderer
from llm_plugin.proofs.loop_cell import Base, loop_settings
from llm_plugin.proofs.loop_config import LoopProofConfig
from llm_plugin.proofs.models import OnStage
from llm_plugin.proofs.planted_market import PlantedMarket, training_rows
from llm_plugin.reasoning.base import LanguageModel
from llm_plugin.reasoning.fake import FakeModel
from llm_plugin.reasoning.generations import Generations, Promises
from llm_plugin.reasoning.model_folder import ModelManifest, write_manifest

TEMPLATE = "VR={atr_ratio_14_100:.4f} SIG={signal_action} MEM={memory} SES={session_stats} ->"
TENSOR = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
PLANTED = 0.98

TINY = LoopProofConfig(
    training_bars=1_500,
    lead_bars=3_000,
    segment_bars=6_000,
    shifts=1,
    win_good=0.85,
    win_bad=0.05,
    retrain_every=100,
    retrain_on_drift=100,
    window_decisions=160,
    holdout=50,
    overrides=(
        f"prompts.context_template={TEMPLATE}",
        "gate.repetitions=499",
        "gate.min_parse_rate=0.0",
        "gate.min_days=5",
        "learning.replay_fraction=0.0",
        "llm_model.provider=fake",
    ),
)


class Thresholds:
    """A `Swapper` whose adapters are a threshold and a side."""

    promises = Promises()

    def build(self, adapter: Path | None, label: str) -> LanguageModel:
        """Read the adapter; the base knows the rule before any shift."""
        threshold, side = PLANTED, 1.0
        if adapter is not None:
            threshold, side = load_file(adapter / "adapter_model.safetensors")[TENSOR.format("A")][:2, 0].tolist()

        def rule(prompt: Any, legal: tuple[Action, ...]) -> dict[Action, float]:
            found = re.search(r"VR=([\d.]+)", prompt.suffix)
            take = found is not None and (float(found[1]) - threshold) * side >= 0
            return {action: 0.95 if (action is not Action.HOLD) == take else 0.05 for action in legal}

        name = "base" if adapter is None else adapter.name
        return FakeModel(rule, version=f"{name}:{threshold:.3f}:{side:+.0f}")

    def activate(self, new: LanguageModel, old: LanguageModel | None) -> None:
        """Nothing to do."""

    def retire(self, model: LanguageModel) -> None:
        """Nothing to do."""


def thresholds() -> Generations:
    """Return generations whose first one is the base."""
    made = Generations(Thresholds())
    made.swap(made.build(None, "base"))
    return made


def tiny_base(market: PlantedMarket, config: LoopProofConfig, seed: int, folder: Path, on_stage: OnStage) -> Base:
    """Make a base that costs nothing, with a real tabular model beside it."""
    on_stage("base", 1.0)
    rows = [row for row in training_rows(market) if row.is_signal]
    settings = loop_settings(market, config, seed)
    fields = PromptRenderer(settings.prompts, settings.features.user).template.fields
    encoder = TabularEncoder.fit(fields, [row.request for row in rows])
    table = np.array([encoder.encode(row.request) for row in rows])
    net = np.array([row.net_r for row in rows])
    facts = {"data_cutoff_utc": market.cutoff_utc.isoformat()}
    meta = save_meta_label(
        folder / "meta_label",
        table,
        net,
        np.ones(len(rows)),
        encoder,
        threshold=0.5,
        clip_r=3.0,
        seed=seed,
        facts=facts,
    )
    return Base(None, thresholds(), meta, market.cutoff_utc)


def points_of(task: TrainerTask) -> list[tuple[float, float]]:
    """Return (figure in the prompt, net R) of a dataset's pairs."""
    rows = [json.loads(line) for line in (task.dataset / "pairs.jsonl").read_text().splitlines()]
    return [(float(re.search(r"VR=([\d.]+)", row["prompt"])[1]), row["net_r"]) for row in rows]  # type: ignore[index]


def train_threshold(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
    """Find the threshold and the side that earn most on the pairs."""
    points = points_of(task)
    grid = [(bar / 50, side) for bar in range(40, 60) for side in (1.0, -1.0)]
    best = max(grid, key=lambda one: (sum(net for value, net in points if (value - one[0]) * one[1] >= 0), one))
    write_threshold(task, *best, cutoff_utc=_as_of(task))
    on_progress(1.0)


def write_threshold(task: TrainerTask, threshold: float, side: float, cutoff_utc: str) -> None:
    """Write a real adapter folder of a size that costs nothing."""
    out = task.out
    out.mkdir(parents=True, exist_ok=True)
    first = np.zeros((2, 4), np.float32)
    first[:, 0] = threshold, side
    save_file(
        {TENSOR.format("A"): first, TENSOR.format("B"): np.ones((4, 2), np.float32)}, out / "adapter_model.safetensors"
    )
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}
    (out / "adapter_config.json").write_text(json.dumps(config))
    (out / "README.md").write_text("An adapter of a test.\n")
    manifest = ModelManifest(
        kind="lora-adapter",
        name="validator",
        base_tensors_sha256="b" * 64,
        tokenizer_sha256="c" * 64,
        action_token_ids={},
        prompt_version=task.prompt_version,
        feature_schema_version="features-1",
        data_cutoff_utc=cutoff_utc,
        dataset_sha256=json.loads((task.dataset / "manifest.json").read_text())["sha256"],
        parent=task.parent_id,
        training={"seed": 0},
    )
    write_manifest(out, manifest)


def _as_of(task: TrainerTask) -> str:
    return str(json.loads((task.dataset / "manifest.json").read_text())["as_of_utc"]).replace("Z", "+00:00")
