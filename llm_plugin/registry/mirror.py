"""The registry in MLflow: versions, aliases, stages, gate numbers and lineage, for people and dashboards.

Never a second authority: nothing is read back. What MLflow lacks is found by comparing it with the registry, so an
outage needs no queue: whatever was missed is delivered by the next call. MLflow is imported only here, and only when
something is told.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import BackendUnavailable, LeanLlmError
from llm_plugin.files import home
from llm_plugin.reasoning.model_folder import MANIFEST_NAME
from llm_plugin.registry.words import BASE, Version

if TYPE_CHECKING:
    from llm_plugin.registry.store import Registry
    from llm_plugin.settings import Settings

__all__ = ["Mirror", "MirrorReport", "mirror_of", "mirror_uri"]

HEALTH_SECONDS = 3.0
ALIASES = ("champion", "previous", "challenger")
ID_TAG = "lean_llm.version"
QUIET = {  # what MLflow reads of the environment when it is used: nothing on standard output, no minutes of retries
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


@dataclass(frozen=True, slots=True)
class MirrorReport:
    """What MLflow did not know and does now."""

    versions: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    tags: int = 0

    @property
    def changed(self) -> bool:
        """True where anything was told."""
        return bool(self.versions or self.aliases or self.tags)


def mirror_uri(settings: Settings) -> str | None:
    """Return the MLflow that mirrors: the configured one, else SQLite in the plugin's home; None where switched off."""
    if not settings.registry.mirror:
        return None
    return settings.registry.mlflow_uri or f"sqlite:///{(home() / 'mlflow' / 'mlflow.db').resolve()}"


def mirror_of(settings: Settings, registry: Registry | None = None) -> Mirror | None:
    """Return the mirror of a configuration; None where it is switched off."""
    from llm_plugin.registry.store import Registry

    uri = mirror_uri(settings)
    if uri is None:
        return None
    return Mirror(registry if registry is not None else Registry(name=settings.learning.model), uri)


class Mirror:
    """Tells one MLflow about one registry.

    Args:
        registry: What is mirrored.
        uri: MLflow server or database.
    """

    def __init__(self, registry: Registry, uri: str) -> None:
        self.registry = registry
        self.uri = uri
        self.name = f"lean-llm-{registry.name}"

    def deliver(self) -> str | None:
        """Reconcile; where MLflow is down, return why. The next call makes it good."""
        try:
            self.reconcile()
        except LeanLlmError as error:
            return str(error)
        return None

    def reconcile(self) -> MirrorReport:
        """Tell MLflow everything it does not know yet; telling it twice changes nothing.

        Raises:
            BackendUnavailable: MLflow does not answer or refuses; what was told before stays.
            ModelError: The registry is damaged.
        """
        versions = [row for row in self.registry.versions() if row.id != BASE]
        pointer = self.registry.pointer()
        if not versions:
            return MirrorReport()
        client = self._client()
        try:
            known = self._known(client)
            added = []
            for version in versions:
                if version.id not in known:
                    known[version.id] = self._add(client, version)
                    added.append(version.id)
            tags = sum(self._tag(client, known[version.id], version) for version in versions)
            moved = self._point(client, known, pointer.aliases)
            return MirrorReport(tuple(added), moved, tags)
        except LeanLlmError:
            raise
        except Exception as error:  # MLflow raises errors of its own, of its database and of the network
            first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise BackendUnavailable(f"MLflow at {self.uri} failed ({first}); the backlog stays") from error

    def _client(self) -> Any:
        if self.uri.startswith(("http://", "https://")):
            _require_health(self.uri)
        else:
            (home() / "mlflow" / "artifacts").mkdir(parents=True, exist_ok=True)
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def _known(self, client: Any) -> dict[str, Any]:
        from mlflow.exceptions import MlflowException

        try:
            client.get_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            client.create_registered_model(self.name, description="Adapters of the validator; the registry is local.")
        rows = client.search_model_versions(f"name='{self.name}'", max_results=10_000)
        return {row.tags[ID_TAG]: row for row in rows if ID_TAG in row.tags}

    def _add(self, client: Any, version: Version) -> Any:
        """Log a version's files and numbers as a run, and the version on top; a run that is there already is used."""
        experiment = self._experiment(client)
        runs = client.search_runs([experiment], f"tags.`{ID_TAG}` = '{version.id}'", max_results=1)
        run = runs[0] if runs else client.create_run(experiment, run_name=version.id, tags={ID_TAG: version.id})
        run_id = run.info.run_id
        manifest = version.manifest
        if version.folder is not None and manifest is not None:
            for name in (*manifest.files, MANIFEST_NAME):
                parent = Path("adapter", name).parent.as_posix()
                client.log_artifact(run_id, str(version.folder / name), parent)
            for name, value in _parameters(manifest.training).items():
                client.log_param(run_id, name, value)
        client.set_terminated(run_id, "FINISHED")
        source = f"{run.info.artifact_uri}/adapter"
        tags = {ID_TAG: version.id}
        return client.create_model_version(self.name, source, run_id=run_id, tags=tags, await_creation_for=0)

    def _experiment(self, client: Any) -> str:
        found = client.get_experiment_by_name(self.name)
        if found is not None:
            return str(found.experiment_id)
        local = None if "://" in self.uri and not self.uri.startswith("sqlite") else home() / "mlflow" / "artifacts"
        return str(client.create_experiment(self.name, artifact_location=local.resolve().as_uri() if local else None))

    def _tag(self, client: Any, row: Any, version: Version) -> int:
        wanted = _tags(version)
        missing = {name: value for name, value in wanted.items() if row.tags.get(name) != value}
        for name, value in missing.items():
            client.set_model_version_tag(self.name, row.version, name, value)
        if "gate" in missing and version.gate is not None:
            self._log_gate(client, row.run_id, version.gate)
        return len(missing)

    def _log_gate(self, client: Any, run_id: str, gate: Mapping[str, Any]) -> None:
        for name, value in gate["decision"].items():
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                client.log_metric(run_id, f"gate_{name}", float(value))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "gate.json"
            path.write_text(json.dumps(gate, indent=1), encoding="utf-8")
            client.log_artifact(run_id, str(path))

    def _point(self, client: Any, known: Mapping[str, Any], aliases: Mapping[str, str]) -> tuple[str, ...]:
        model = client.get_registered_model(self.name)
        have = {alias: str(number) for alias, number in dict(model.aliases or {}).items()}
        moved = []
        for alias in ALIASES:
            row = known.get(aliases.get(alias, ""))
            if row is None and alias in have:
                client.delete_registered_model_alias(self.name, alias)
                moved.append(alias)
            elif row is not None and have.get(alias) != str(row.version):
                client.set_registered_model_alias(self.name, alias, row.version)
                moved.append(alias)
            if (model.tags or {}).get(alias) != aliases.get(alias, "none"):
                client.set_registered_model_tag(self.name, alias, aliases.get(alias, "none"))
        return tuple(moved)


def _tags(version: Version) -> dict[str, str]:
    """Stage, lineage and the verdict; MLflow's own stages are deprecated."""
    manifest = version.manifest
    values = {
        "stage": version.stage,
        "parent": version.parent,
        "registered_utc": to_jsonable(version.created_utc),
        "cycle": version.facts.get("cycle_id"),
        "dataset": manifest.dataset_sha256 if manifest is not None else None,
        "base": manifest.base_tensors_sha256 if manifest is not None else None,
        "prompt_version": manifest.prompt_version if manifest is not None else None,
        "window": version.facts.get("window_id"),
        "gate": (version.gate or {}).get("verdict"),
        "gate_id": ((version.gate or {}).get("decision") or {}).get("gate_id"),
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def _parameters(training: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in training.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _parameters(value, f"{name}.")
        elif isinstance(value, str | int | float | bool):
            flat[name] = str(value)[:500]
    return flat


def _require_health(uri: str) -> None:
    """Find out at once whether a server is there: MLflow's own client tries for minutes.

    Raises:
        BackendUnavailable: It is not.
    """
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=HEALTH_SECONDS) as answer:  # noqa: S310
            answer.read()
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise BackendUnavailable(
            f"MLflow at {uri} does not answer ({error}); the registry goes on, the backlog is delivered later"
        ) from error
