"""What training is asked, what it says meanwhile, and what it leaves. Standard library and settings only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.files import write_whole
from llm_plugin.settings import TrainingSettings

__all__ = ["TrainingJob", "TrainingResult", "TrainingStep", "run_folder"]

SPEC_VERSION = "1"
DATASET_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class TrainingJob:
    """One training run.

    Attributes:
        base: Folder of the base model, or its name in the local Hugging Face cache.
        parent_adapter: The adapter in service, which is continued and is the reference; None starts a fresh one, and
            the base is the reference.
        dataset: Folder of `learning.dataset`.
        out: The adapter's folder; must not hold another run's result. What training keeps for itself lies in
            `<out>.run` beside it.
        settings: Section `learning.training`.
        prompt_version: Prompt templates in use; a dataset of others is refused.
        quantization: How the base is served; used where `settings.quantization` is null.
        name: What the adapter calls itself.
        device: `auto`, `cpu` or `cuda`.
        mlflow_uri: MLflow that gets a copy of the run's figures; None = none. It can fail without consequence.
    """

    base: Path | str
    parent_adapter: Path | None
    dataset: Path
    out: Path
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    prompt_version: str = ""
    quantization: str = "none"
    name: str = "validator-lora"
    device: str = "auto"
    mlflow_uri: str | None = None

    @property
    def base_quantization(self) -> str:
        """How the base is loaded in training."""
        return self.settings.quantization or self.quantization

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "spec_version": SPEC_VERSION,
            "base": str(self.base),
            "base_is_folder": isinstance(self.base, Path),
            "parent_adapter": None if self.parent_adapter is None else str(self.parent_adapter),
            "dataset": str(self.dataset),
            "out": str(self.out),
            "settings": self.settings.model_dump(mode="json"),
            "prompt_version": self.prompt_version,
            "quantization": self.quantization,
            "name": self.name,
            "device": self.device,
            "mlflow_uri": self.mlflow_uri,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingJob:
        """Rebuild from `to_json`.

        Raises:
            DataError: Another version, or a field that is missing.
        """
        if values.get("spec_version") != SPEC_VERSION:
            raise DataError(f"training specification {values.get('spec_version')!r} is not {SPEC_VERSION!r}")
        try:
            parent = values["parent_adapter"]
            return cls(
                base=Path(values["base"]) if values["base_is_folder"] else str(values["base"]),
                parent_adapter=None if parent is None else Path(parent),
                dataset=Path(values["dataset"]),
                out=Path(values["out"]),
                settings=TrainingSettings.model_validate(values["settings"]),
                prompt_version=values["prompt_version"],
                quantization=values["quantization"],
                name=values["name"],
                device=values["device"],
                mlflow_uri=values["mlflow_uri"],
            )
        except KeyError as error:
            raise DataError(f"training specification lacks {error}") from error

    def write(self, path: Path) -> None:
        """Write the specification; it holds no credentials of MLflow's URI readable by others."""
        write_whole(path, json.dumps(self.to_json(), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> TrainingJob:
        """Read a specification written by `write`."""
        return cls.from_json(json.loads(path.read_text(encoding="utf-8")))

    @property
    def sha256(self) -> str:
        """Names the result: base and parent by name, dataset by content, settings. Checkpoints of another are void."""
        manifest = self.dataset / DATASET_MANIFEST
        data = hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else ""
        parent = self.parent_adapter / "manifest.json" if self.parent_adapter else None
        known = {
            **self.to_json(),
            "dataset": data,
            "parent_adapter": hashlib.sha256(parent.read_bytes()).hexdigest() if parent and parent.is_file() else None,
        }
        for place in ("out", "mlflow_uri"):
            del known[place]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """Progress.

    Attributes:
        stage: `load`, `reference`, `train`, `calibrate` or `save`.
        fraction: Share of the whole that is done.
        step: Optimiser steps done.
        steps: Optimiser steps wanted; 0 before that is known.
        loss: Of the last step, before weights; None outside training.
        margin: Mean reward margin of the last step.
        seconds_left: Estimate for the whole; None before the first step.
    """

    stage: str
    fraction: float
    step: int = 0
    steps: int = 0
    loss: float | None = None
    margin: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class TrainingResult:
    """What training left.

    Attributes:
        folder: The adapter: complete, its manifest written last.
        version: The adapter's own name and hash.
        dataset_sha256: What it was trained on.
        steps: Optimiser steps.
        seconds: Wall time of the process that finished it; 0 where it was there already.
        facts: `training` of the manifest.
    """

    folder: Path
    version: str
    dataset_sha256: str
    steps: int
    seconds: float
    facts: Mapping[str, Any]


def run_folder(out: Path) -> Path:
    """Return where a run keeps checkpoints, logs and event files: private to it, never registered."""
    return out.with_name(out.name + ".run")
