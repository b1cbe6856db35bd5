"""A world in which a cycle takes milliseconds: a planted rule, a model that is a threshold, a trainer that finds it.

Trades at a high ADX win, the others lose. The base takes every signal; the trainer reads the dataset's pairs and
writes an adapter whose one tensor is the ADX from which to take signals. Nothing else is replaced: store, split,
pairs, dataset, gate, registry, database and journal are the real ones.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

sys.path += [str(Path(__file__).parents[1] / "learning"), str(Path(__file__).parents[1])]

from matured_samples import answer, matured
from questions import START, result
from safetensors.numpy import load_file, save_file

from llm_plugin.cycle.words import CycleParts, CycleRequest, TrainerTask
from llm_plugin.domain import Action, OutcomeKind
from llm_plugin.learning.database import LearningDatabase
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.prompts import PromptRenderer
from llm_plugin.reasoning.fake import FakeModel
from llm_plugin.reasoning.model_folder import ModelManifest, write_manifest
from llm_plugin.registry.store import Registry
from llm_plugin.settings import Settings

TENSOR = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
STEP_HOURS = 3
DECISIONS = 400


def world_settings(**learning: Any) -> Settings:
    """Return small settings: a holdout of 80, no busy hours."""
    values = {"min_outcomes": 200, "min_outcomes_on_drift": 150, "window_decisions": DECISIONS, "holdout": 80}
    values |= {"busy_hours": [], "context_rows": 0, "replay_fraction": 0.0, "interval_hours": 0.001, **learning}
    return Settings.model_validate(
        {
            "llm_model": {"provider": "fake", "name": "threshold"},
            "learning": values,
            "gate": {"repetitions": 499, "any_approval_rate": True, "min_parse_rate": 0.0, "max_latency_ratio": 1000},
            "fusion": {"strategy": "llm"},
        }
    )


def adx_of(place: int) -> float:
    """Return the ADX of a decision: half of them lie above 30."""
    return float(15 + (place * 7919) % 31)


def fill_store(store: OutcomeStore, settings: Settings, first: int = 0, count: int = DECISIONS) -> datetime:
    """Write decisions with replayed outcomes; return a moment at which all of them have matured."""
    version = PromptRenderer(settings.prompts, settings.features.user).version
    store.start_run("run", {}, {})
    for place in range(first, first + count):
        net = (1.5 if place % 9 else -1.0) if adx_of(place) > 30 else (-1.0 if place % 9 else 1.5)
        row = matured(place * STEP_HOURS, net, adx=adx_of(place), template_version=version)
        approved = place % 2 == 0
        stored = answer(row.request, approve=approved, prompt_hash=row.decision.prompt_hash)
        assert row.prompt is not None
        store.save_decision(row.request, stored, row.prompt.text, version, row.schema_version)
        kind = OutcomeKind.REPLAY if approved else OutcomeKind.SHADOW
        store.save_outcome(result(row.request, net, 6, kind))
    return START + timedelta(hours=(first + count) * STEP_HOURS + 48)


def open_threshold(settings: Settings, adapter: Path | None) -> FakeModel:
    """Load the model: without an adapter it takes every signal."""
    threshold = 0.0
    if adapter is not None:
        threshold = float(load_file(adapter / "adapter_model.safetensors")[TENSOR.format("A")][0, 0])

    def rule(prompt: Any, legal: tuple[Action, ...]) -> dict[Action, float]:
        found = re.search(r"adx ([\d.]+)", prompt.suffix)
        take = found is not None and float(found[1]) >= threshold
        return {action: (9.0 if (action is not Action.HOLD) == take else 1.0) for action in legal}

    return FakeModel(rule, version=f"threshold-{threshold}@1")


def write_adapter(
    out: Path, threshold: float, dataset_sha256: str, prompt_version: str, parent: str | None = None, rank: int = 2
) -> None:
    """Write a real adapter folder of a size that costs nothing."""
    out.mkdir(parents=True, exist_ok=True)
    tensors = {TENSOR.format("A"): np.full((rank, 4), threshold, np.float32)}
    tensors |= {TENSOR.format("B"): np.ones((4, rank), np.float32)}
    save_file(tensors, out / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 4, "target_modules": ["q_proj"]}
    (out / "adapter_config.json").write_text(json.dumps(config))
    (out / "README.md").write_text("An adapter of a test.\n")
    manifest = ModelManifest(
        kind="lora-adapter",
        name="validator",
        base_tensors_sha256="b" * 64,
        tokenizer_sha256="c" * 64,
        action_token_ids={},
        prompt_version=prompt_version,
        feature_schema_version="features-1",
        data_cutoff_utc="2014-01-01T00:00:00+00:00",
        dataset_sha256=dataset_sha256,
        parent=parent,
        training={"seed": 0, "threshold": threshold},
    )
    write_manifest(out, manifest)


def train_threshold(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
    """Find the ADX that tells the chosen answers apart."""
    rows = [json.loads(line) for line in (task.dataset / "pairs.jsonl").read_text().splitlines()]
    on_progress(0.5)
    points = [(float(re.search(r"adx ([\d.]+)", row["prompt"])[1]), row["net_r"]) for row in rows]  # type: ignore[index]
    best = max(range(10, 50), key=lambda bar: (sum(net for adx, net in points if adx >= bar), -bar))
    digest = json.loads((task.dataset / "manifest.json").read_text())["sha256"]
    write_adapter(task.out, float(best), digest, task.prompt_version, task.parent_id)
    on_progress(1.0)


def make_parts(folder: Path, settings: Settings | None = None, **changes: Any) -> tuple[CycleParts, datetime]:
    """Return the parts of a cycle in a folder, with a filled store, and the time at which it is asked."""
    chosen = settings or world_settings()
    store = OutcomeStore(str(folder / "store.sqlite"), commit="group")
    as_of = fill_store(store, chosen)
    store.flush()
    return open_parts(folder, chosen, store, **changes), as_of


def open_parts(folder: Path, settings: Settings, store: OutcomeStore, **changes: Any) -> CycleParts:
    """Return the parts of a cycle over a store that is there."""
    values: dict[str, Any] = {
        "settings": settings,
        "stores": [store],
        "registry": Registry(folder / "registry"),
        "database": LearningDatabase(str(folder / "store.sqlite")),
        "folder": folder / "cycles",
        "open_model": open_threshold,
        "train": train_threshold,
    }
    return CycleParts(**{**values, **changes})


def at(as_of: datetime, **changes: Any) -> CycleRequest:
    """Return a request of that time."""
    return CycleRequest(as_of_utc=as_of.astimezone(UTC), **changes)
