"""What one fine-tuning is asked, and what names its result. Standard library and settings only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.files import home, write_whole
from llm_plugin.writer.settings import SftSettings, StandinSettings

__all__ = ["NO_MARKET_DATA", "SftJob", "SftResult", "new_standin_folders", "standin_folders", "use_standin"]

SPEC_VERSION = "1"
_POINTER = "current"
NO_MARKET_DATA = "1970-01-01T00:00:00+00:00"  # a manifest names what is the latest that was seen: no price at all


def standin_folders() -> tuple[Path, Path]:
    """Return base and adapter of the stand-in that is in use; they are not there before one was trained."""
    pointer = _standins() / _POINTER
    name = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else "none"
    return new_standin_folders(name)


def new_standin_folders(name: str) -> tuple[Path, Path]:
    """Return where base and adapter of one training go: a new one never touches the one in use."""
    return _standins() / name / "base", _standins() / name / "adapter"


def use_standin(name: str) -> None:
    """Let `standin` mean this training from now on.

    Raises:
        StoreUnavailable: The pointer cannot be written; the one before stays in use.
    """
    write_whole(_standins() / _POINTER, name + "\n")


def _standins() -> Path:
    return home() / "models" / "writer" / "standin"


@dataclass(frozen=True)
class SftJob:
    """One fine-tuning run.

    Attributes:
        base: Folder of the base, or its name in the local Hugging Face cache; for a stand-in, where its base is or
            will be.
        dataset: File or folder of rows.
        dataset_sha256: Hash of the rows when the job was made; other rows are another job.
        out: The adapter's folder; what training keeps for itself lies in `<out>.run` beside it.
        settings: Of the fine-tuning.
        standin: Of the small model that is trained first; None where `base` is a finished model.
        name: What the adapter calls itself.
        device: `auto`, `cpu` or `cuda`.
        mlflow_uri: MLflow that gets a copy of the figures; None = none. It can fail without consequence.
    """

    base: Path | str
    dataset: Path
    dataset_sha256: str
    out: Path
    settings: SftSettings = field(default_factory=SftSettings)
    standin: StandinSettings | None = None
    name: str = "strategy-writer"
    device: str = "auto"
    mlflow_uri: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "spec_version": SPEC_VERSION,
            "base": str(self.base),
            "base_is_folder": isinstance(self.base, Path),
            "dataset": str(self.dataset),
            "dataset_sha256": self.dataset_sha256,
            "out": str(self.out),
            "settings": self.settings.model_dump(mode="json"),
            "standin": None if self.standin is None else self.standin.model_dump(mode="json"),
            "name": self.name,
            "device": self.device,
            "mlflow_uri": self.mlflow_uri,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SftJob:
        """Rebuild from `to_json`.

        Raises:
            DataError: Another version, or a field that is missing.
        """
        if values.get("spec_version") != SPEC_VERSION:
            raise DataError(f"fine-tuning specification {values.get('spec_version')!r} is not {SPEC_VERSION!r}")
        try:
            standin = values["standin"]
            return cls(
                base=Path(values["base"]) if values["base_is_folder"] else str(values["base"]),
                dataset=Path(values["dataset"]),
                dataset_sha256=values["dataset_sha256"],
                out=Path(values["out"]),
                settings=SftSettings.model_validate(values["settings"]),
                standin=None if standin is None else StandinSettings.model_validate(standin),
                name=values["name"],
                device=values["device"],
                mlflow_uri=values["mlflow_uri"],
            )
        except KeyError as error:
            raise DataError(f"fine-tuning specification lacks {error}") from error

    def write(self, path: Path) -> None:
        """Write the specification."""
        write_whole(path, json.dumps(self.to_json(), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> SftJob:
        """Read a specification written by `write`."""
        return cls.from_json(json.loads(path.read_text(encoding="utf-8")))

    @property
    def sha256(self) -> str:
        """Names the result: rows by content, base by name, settings. Checkpoints of another are void."""
        known = self.to_json()
        for place in ("out", "dataset", "mlflow_uri"):
            del known[place]
        if self.standin is not None:
            del known["base"], known["base_is_folder"]  # it is made from the rows and the settings
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()

    @property
    def base_sha256(self) -> str:
        """Names a stand-in's base: the same for every tuning on top of it."""
        standin = None if self.standin is None else self.standin.model_dump(mode="json")
        sft = self.settings
        known = [SPEC_VERSION, self.dataset_sha256, standin, sft.seed, sft.threads, sft.precision]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class SftResult:
    """What fine-tuning left.

    Attributes:
        adapter: The adapter: complete, its manifest written last.
        base: What it belongs to.
        version: The adapter's own name and hash.
        steps: Optimiser steps.
        seconds: Wall time of the process that finished it; 0 where it was there already.
        facts: `training` of the manifest.
    """

    adapter: Path
    base: Path | str
    version: str
    steps: int
    seconds: float
    facts: Mapping[str, Any]
