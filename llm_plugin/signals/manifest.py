"""`manifest.json`: what an ensemble is, what it was trained on, and the hashes that its files are checked by."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from llm_plugin.errors import LookaheadError, ModelError
from llm_plugin.features.catalog import FEATURE_SCHEMA_VERSION, market_feature_names, schema_hash

__all__ = ["MANIFEST_NAME", "EnsembleManifest", "file_sha256", "require_cutoff"]

MANIFEST_NAME = "manifest.json"
SCHEMA = "1"


@dataclass(frozen=True, slots=True)
class EnsembleManifest:
    """The parsed manifest of a model folder; `values` is the whole of it."""

    values: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self.values["name"])

    @property
    def version(self) -> str:
        """Short hash of the manifest: another training, data or setting gives another one."""
        return str(self.values["sha256"])[:12]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features in the order of the models' input."""
        return tuple(self.values["features"])

    @property
    def threshold(self) -> float:
        """Probability from which the model signals, chosen on out-of-fold predictions."""
        return float(self.values["threshold"])

    @property
    def data_cutoff_utc(self) -> datetime:
        """End of the last bar that anything in the model has seen."""
        return datetime.fromisoformat(str(self.values["data_cutoff_utc"]).replace("Z", "+00:00"))

    @property
    def resolution(self) -> str:
        """Resolution of the training bars."""
        return str(self.values["config"]["resolution"])

    @property
    def metrics(self) -> dict[str, Any]:
        """Figures per fold and over all."""
        return dict(self.values["metrics"])

    @classmethod
    def seal(cls, values: dict[str, Any]) -> EnsembleManifest:
        """Return the manifest of a finished folder, with its own hash."""
        body = {"schema": SCHEMA, "kind": "ensemble", **values}
        return cls({**body, "sha256": _digest(body)})

    def write(self, folder: Path) -> None:
        """Write `manifest.json`; it comes last, so that a folder with a manifest is complete."""
        (folder / MANIFEST_NAME).write_text(json.dumps(self.values, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> EnsembleManifest:
        """Read and verify a model folder.

        Raises:
            ModelError: No manifest, a damaged one, a file that is missing or differs from its hash, or a model of
                another feature schema.
        """
        path = folder / MANIFEST_NAME
        if not path.is_file():
            raise ModelError(f"{folder} has no {MANIFEST_NAME}: not an ensemble; run `lean-llm train ensemble`")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            found = values.pop("sha256")
            schema, kind, files = values["schema"], values["kind"], values["files"]
        except (ValueError, KeyError, AttributeError) as error:
            raise ModelError(f"{path} is damaged ({error!r}); run `lean-llm train ensemble`") from error
        if (schema, kind) != (SCHEMA, "ensemble"):
            raise ModelError(
                f"{path} is of kind {kind!r}, schema {schema!r}; this version reads 'ensemble', {SCHEMA!r}"
            )
        if found != _digest(values):
            raise ModelError(f"{path} was changed after training (hash {found[:12]}); run `lean-llm train ensemble`")
        for name, sha256 in files.items():
            _check_file(folder, name, sha256)
        _check_features(path, values)
        return cls({**values, "sha256": found})


def _check_file(folder: Path, name: str, sha256: str) -> None:
    file = folder / name
    if Path(name).name != name or not file.is_file():
        raise ModelError(f"{folder} lacks {name}; run `lean-llm train ensemble`")
    found = file_sha256(file)
    if found != sha256:
        raise ModelError(
            f"{file} has hash {found[:12]}, the manifest says {sha256[:12]}; run `lean-llm train ensemble`"
        )


def _check_features(path: Path, values: dict[str, Any]) -> None:
    wanted = (FEATURE_SCHEMA_VERSION, schema_hash(market_feature_names()))
    found = (values["feature_schema_version"], values["feature_schema_hash"])
    if found != wanted:
        raise ModelError(
            f"{path} was trained on feature schema {found[0]} ({found[1]}), this version computes {wanted[0]} "
            f"({wanted[1]}); run `lean-llm train ensemble`"
        )


def require_cutoff(manifest: EnsembleManifest, run_start: datetime, allow: bool) -> bool:
    """Refuse a run that starts inside a model's training data.

    Args:
        manifest: The model's.
        run_start: First moment of the run, aware.
        allow: Go on nevertheless (`--allow-lookahead`).

    Returns:
        Whether the run looks ahead; true only with `allow`.

    Raises:
        LookaheadError: It does and `allow` is false.
    """
    if run_start >= manifest.data_cutoff_utc:
        return False
    if not allow:
        raise LookaheadError(
            f"model {manifest.name} ({manifest.version}) has seen data up to {manifest.data_cutoff_utc}, the run "
            f"starts {run_start}: start later, train with an earlier cutoff, or say --allow-lookahead"
        )
    return True


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
