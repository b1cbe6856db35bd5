"""What a server-side generation knows of its adapter folder: checks, manifest, names. Standard library."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from llm_plugin.reasoning.calibrator import Calibrator
from llm_plugin.reasoning.model_folder import ModelManifest, base_hashes, check_adapter, file_sha256, read_manifest

__all__ = ["ADAPTER_FILES", "AdapterFolder", "LocalBase", "Users", "calibrator_of"]

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True)
class AdapterFolder:
    """A checked adapter."""

    folder: Path
    manifest: ModelManifest | None

    @property
    def sha256(self) -> str:
        """Hash of both files: weights, rank and scale."""
        joined = "".join(file_sha256(self.folder / name) for name in ADAPTER_FILES)
        return hashlib.sha256(joined.encode()).hexdigest()

    @property
    def version(self) -> str:
        """How answers name it."""
        if self.manifest is not None:
            return self.manifest.version
        return f"{self.folder.name}@{self.sha256[:12]}"

    def server_name(self, model: str, label: str) -> str:
        """A name that no other adapter, however labelled, begins or ends with."""
        safe = re.sub(r"[^a-z0-9]+", "-", f"{model}-{label}".lower()).strip("-")
        return f"{safe}-{self.sha256[:12]}"


@dataclass(frozen=True)
class LocalBase:
    """The local copy of the base that a server runs, where there is one: adapters are checked against it.

    Attributes:
        folder: Its folder; None where only the server has it, and its identity cannot be checked here.
        prompt_version: The prompt templates in use; None skips their check.
    """

    folder: Path | None = None
    prompt_version: str | None = None

    def check(self, adapter: Path) -> AdapterFolder:
        """Refuse what does not fit.

        Raises:
            ModelError: Damaged, foreign, or trained on other templates; names what.
        """
        hashes = base_hashes(self.folder) if self.folder is not None and read_manifest(adapter) is not None else None
        manifest = check_adapter(adapter, self.folder, prompt_version=self.prompt_version, hashes=hashes)
        return AdapterFolder(adapter, manifest)

    def manifest(self) -> ModelManifest | None:
        """The base's own manifest, for its calibrator."""
        return None if self.folder is None else read_manifest(self.folder)


class Users:
    """Counts the generations that use one name on the server: the same adapter may be built twice."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, name: str) -> None:
        """One more generation uses it."""
        with self._lock:
            self._counts[name] += 1

    def drop(self, name: str) -> bool:
        """One less; True where it was the last."""
        with self._lock:
            self._counts[name] -= 1
            if self._counts[name] > 0:
                return False
            del self._counts[name]
            return True


def calibrator_of(manifest: ModelManifest | None) -> Calibrator | None:
    """The calibrator that was fitted with a generation."""
    stored = None if manifest is None else manifest.calibrator
    return Calibrator.from_json(stored) if stored else None
