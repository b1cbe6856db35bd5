"""Versions without weights: a swapper whose generations are fakes, and a registry that takes small folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llm_plugin.domain import Action, DecisionRequest, to_jsonable
from llm_plugin.errors import ModelError
from llm_plugin.reasoning import FakeModel
from llm_plugin.reasoning.generations import Promises
from llm_plugin.registry.store import Registry
from llm_plugin.registry.words import Version

__all__ = ["FakeSwapper", "TinyRegistry", "body_of", "give"]


def give(share: float, version: str, **options: Any) -> FakeModel:
    """A model that gives every entry a fixed share."""

    def rule(prompt: Any, legal: tuple[Action, ...]) -> Mapping[Action, float]:
        return {action: share if action.side else 1 - share for action in legal}

    return FakeModel(rule, version=version, **options)


class FakeSwapper:
    """Makes a fake per version: `shares` says how sure it is of an entry, `broken` whom it cannot build."""

    promises = Promises()

    def __init__(self) -> None:
        self.shares: dict[str, float] = {}
        self.broken: dict[str, str] = {}
        self.models: dict[str, FakeModel] = {}
        self.built: list[str] = []

    def build(self, adapter: Path | None, label: str) -> FakeModel:
        if label in self.broken:
            raise ModelError(self.broken[label])
        self.built.append(label)
        self.models[label] = give(self.shares.get(label, 0.9), f"fake+{label}")
        return self.models[label]

    def activate(self, new: Any, old: Any) -> None:
        """Ready."""

    def retire(self, model: Any) -> None:
        """Nothing is held."""


class TinyRegistry(Registry):
    """The real registry; only what a version's folder must hold is left out."""

    def add(self, number: int, parent: str | None = "base") -> str:
        """Put a version there; return its id."""
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        name = f"v{number:04d}-{digest[:8]}"
        folder = self.folder / "versions" / name
        folder.mkdir(parents=True)
        record = {"schema_version": "1", "parent": parent, "created_utc": "2026-01-01T00:00:00+00:00"}
        record |= {"manifest_sha256": digest, "facts": {}}
        (folder / "version.json").write_text(json.dumps(record))
        return name

    def _read(self, folder: Path, pointer: Any) -> Version:
        record = json.loads((folder / "version.json").read_text())
        from datetime import datetime

        created = datetime.fromisoformat(record["created_utc"])
        stage = pointer.stages.get(folder.name, "training")
        return Version(folder.name, folder, record["parent"], stage, created, None)

    def _verified(self, version: str, pointer: Any) -> str:
        return self.get(version).id

    def verify(self, version: str, *, base: Path | None = None, prompt_version: str | None = None) -> Version:
        return self.get(version)


def body_of(request: DecisionRequest) -> dict[str, Any]:
    """Return a question as a client sends it."""
    body: dict[str, Any] = to_jsonable(request)
    return body


def plain(value: Any) -> dict[str, Any]:
    """Return a dataclass as JSON types."""
    found: dict[str, Any] = to_jsonable(asdict(value))
    return found
