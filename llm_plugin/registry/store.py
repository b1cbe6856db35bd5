"""The registry: immutable version folders, and one pointer file that says who serves.

```
<root>/<name>/versions/v0001-<hash>/   the adapter, its manifest, and version.json (parent, time, facts)
             /gates/v0001-<hash>.json  the gate decision about it
             /pointer.json             champion, previous, challenger, stages: replaced as a whole
             /journal.jsonl            every change of the pointer
```

Serving reads pointer.json and nothing else. Whoever writes takes a file lock, so that two processes never interleave;
a cycle also passes its lease's fencing token, and a token lower than one that wrote before is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import GateRefused, ModelError, did_you_mean
from llm_plugin.files import home
from llm_plugin.reasoning.model_folder import MANIFEST_NAME, ModelManifest, check_adapter, file_sha256, read_manifest
from llm_plugin.registry.files import (
    RECORD_NAME,
    RECORD_VERSION,
    clear_drafts,
    locked,
    publish,
    read_record,
    replace_file,
)
from llm_plugin.registry.pointers import PointerFile
from llm_plugin.registry.words import BASE, START, Change, Pointer, Stage, Version

__all__ = ["Judged", "Registry"]

NEEDED = ("adapter_config.json", "adapter_model.safetensors")


class Judged(Protocol):
    """A gate decision, as far as the registry needs it."""

    @property
    def verdict(self) -> str:
        """Only `pass` promotes."""

    def to_json(self) -> Any:
        """All its numbers as JSON."""


class Registry:
    """Versions of one model and who of them serves.

    Args:
        root: Folder of all registries; None takes `registry` in the plugin's home.
        name: The model's name (`learning.model`).
        clock: What time it is, for records only; sequence numbers order the changes, whatever the clock does.
    """

    def __init__(
        self, root: Path | None = None, name: str = "validator", clock: Callable[[], datetime] | None = None
    ) -> None:
        self.name = name
        self.folder = (root if root is not None else home() / "registry") / name
        self._clock = clock or (lambda: datetime.now(UTC))
        self._pointers = PointerFile(self.folder, self._clock)

    # -- reading ---------------------------------------------------------------------------------------------------

    def pointer(self) -> Pointer:
        """Return who serves.

        Raises:
            ModelError: The pointer file is damaged.
        """
        return self._pointers.read()

    def versions(self) -> list[Version]:
        """Return `base` and every readable version, oldest first; what is half-written is not there."""
        return self._listed()[0]

    def problems(self) -> list[str]:
        """Say what is wrong with versions whose record or manifest cannot be read; they cannot be used."""
        return self._listed()[1]

    def get(self, version: str) -> Version:
        """Return a version by its id, its number (`v0001`) or an alias (champion, previous, challenger).

        Raises:
            ModelError: Unknown, or its record is damaged.
        """
        pointer = self.pointer()
        name = pointer.aliases.get(version, version)
        if name == BASE:
            return self._base(pointer)
        numbered = [item for item in self._folders() if item.name.partition("-")[0] == name]
        folder = numbered[0] if numbered else self._versions / name
        if name.startswith(".") or Path(name).name != name or not (folder / RECORD_NAME).is_file():
            known = [BASE, *(item.name for item in self._folders()), *pointer.aliases]
            raise ModelError(
                f"{self.name} has no version {version!r}{did_you_mean(version, known)}; see `lean-llm models list`"
            )
        return self._read(folder, pointer)

    def verify(self, version: str, *, base: Path | None = None, prompt_version: str | None = None) -> Version:
        """Return a version after hashing every file of it; do this before it is loaded.

        Args:
            version: Id or alias.
            base: The base model's folder; None where it cannot be compared.
            prompt_version: The prompt templates in use.

        Raises:
            ModelError: Damaged, of another base, rank, tokenizer or prompt template; names which.
        """
        found = self.get(version)
        if found.folder is not None:
            check_adapter(found.folder, base, prompt_version=prompt_version)
            record = read_record(found.folder)
            if file_sha256(found.folder / MANIFEST_NAME) != record["manifest_sha256"]:
                raise ModelError(
                    f"{found.folder / MANIFEST_NAME} is not the manifest that was registered: the version was changed "
                    "afterwards; go back with `lean-llm models rollback`"
                )
        return found

    def history(self) -> list[Change]:
        """Return every change of the pointer, oldest first."""
        return self._pointers.history()

    # -- versions --------------------------------------------------------------------------------------------------

    def register(
        self,
        folder: Path,
        *,
        parent: str | None,
        facts: Mapping[str, Any] | None = None,
        base: Path | None = None,
        prompt_version: str | None = None,
    ) -> Version:
        """Copy an adapter in; the same adapter again gives the version that it already is.

        Args:
            folder: A PEFT folder with a manifest; it stays where it is.
            parent: The version it was trained from.
            facts: Where it comes from: cycle, dataset, holdout window.
            base: The base model's folder; None where it cannot be compared.
            prompt_version: The prompt templates in use.

        Raises:
            ModelError: It is damaged, foreign or incomplete; nothing is registered.
            StoreUnavailable: The disk is full or the folder read-only; nothing is registered.
        """
        manifest = self._acceptable(folder, parent, base, prompt_version)
        digest = file_sha256(folder / MANIFEST_NAME)
        with locked(self.folder):
            clear_drafts(self._versions)
            for known in self._folders():
                if known.name.endswith(f"-{digest[:8]}") and read_record(known)["manifest_sha256"] == digest:
                    return self.verify(known.name)
            number = 1 + max((int(item.name[1:5]) for item in self._folders()), default=0)
            record = {
                "schema_version": RECORD_VERSION,
                "parent": parent,
                "created_utc": self._clock(),
                "manifest_sha256": digest,
                "facts": dict(facts or {}),
            }
            target = self._versions / f"v{number:04d}-{digest[:8]}"
            publish(folder, manifest, target, to_jsonable(record), lambda draft: check_adapter(draft, None))
        return self.get(target.name)

    def save_gate(self, version: str, decision: Judged, *, champion: str) -> None:
        """Keep the gate decision about a version; `promote` asks for it.

        Args:
            version: The challenger.
            decision: What the gate said.
            champion: Whom it was compared with.
        """
        found = self.get(version)
        if found.folder is None:
            raise ModelError("base is no challenger: it has no adapter to judge")
        text = decision.to_json()
        data = json.loads(text) if isinstance(text, str) else to_jsonable(text)
        row = {"version": found.id, "champion": champion, "verdict": str(decision.verdict), "decision": data}
        with locked(self.folder):
            replace_file(self._gate_path(found.id), json.dumps(row, indent=2, sort_keys=True) + "\n")

    # -- the pointer -----------------------------------------------------------------------------------------------

    def set_challenger(self, version: str, *, fence: int | None = None) -> Pointer:
        """Give the alias `challenger` and the stage `validation`.

        Raises:
            LeaseLost: `fence` is older than one that wrote before.
            ModelError: Unknown or damaged.
        """
        name = self.verify(version).id

        def change(old: Pointer, stages: dict[str, Stage]) -> Pointer:
            if name == old.champion:
                raise ModelError(f"{name} serves already: it cannot be its own challenger")
            if old.challenger not in (None, name, old.previous):
                stages[str(old.challenger)] = "retired"
            stages[name] = "validation"
            previous = None if name == old.previous else old.previous
            return replace(old, challenger=name, previous=previous, reason="to be judged")

        return self._pointers.write("challenger", name, change, fence, done=lambda old: old.challenger == name)

    def promote(
        self,
        version: str,
        *,
        reason: str,
        gate: Judged | None = None,
        force: bool = False,
        fence: int | None = None,
    ) -> Pointer:
        """Let a version serve; the one that served becomes `previous`.

        Args:
            version: Id or alias.
            reason: Why; kept in the journal.
            gate: Its gate decision; None takes the one that was saved.
            force: Promote past the gate; recorded as such.
            fence: Fencing token of the cycle's lease; None is an operator.

        Raises:
            GateRefused: The gate did not pass it, or compared it with a champion that no longer serves.
            LeaseLost: `fence` is older than one that wrote before.
            ModelError: Unknown or damaged; the champion stays.
        """
        _require_reason(f"promoting {version}", reason)
        found = self.verify(version)

        def change(old: Pointer, stages: dict[str, Stage]) -> Pointer:
            if not force:
                self._require_pass(found, gate, old)
            if old.previous not in (None, found.id):
                stages[str(old.previous)] = "retired"
            stages |= {old.champion: "staging", found.id: "production"}
            challenger = None if old.challenger == found.id else old.challenger
            return replace(
                old, champion=found.id, previous=old.champion, challenger=challenger, reason=reason, forced=force
            )

        return self._pointers.write("promoted", found.id, change, fence, done=lambda old: old.champion == found.id)

    def rollback(
        self, reason: str, *, to: str | None = None, of: str | None = None, fence: int | None = None
    ) -> Pointer:
        """Take the champion out of service; the one before it serves again.

        Args:
            reason: Why; kept in the journal.
            to: The version to go back to; None takes `previous`.
            of: Only where this one still serves; a rollback that was done already is not done again.
            fence: Fencing token of the cycle's lease; None is an operator.

        Raises:
            ModelError: There is nothing to go back to, or it is damaged.
        """
        _require_reason("a rollback", reason)
        current = self._pointers.recovered()
        if of is not None and current.champion != of:
            return current
        wanted = to if to is not None else current.previous
        if wanted is None:
            raise ModelError(
                f"{current.champion} has no previous version to go back to: name one with --to "
                f"({', '.join([BASE, *(item.name for item in self._folders())])})"
            )
        target = self._verified(wanted, current)

        def change(old: Pointer, stages: dict[str, Stage]) -> Pointer:
            stages |= {old.champion: "retired", target: "production"}
            previous = old.previous if old.previous not in (target, old.champion) else None
            return replace(old, champion=target, previous=previous, reason=reason, forced=False)

        def done(old: Pointer) -> bool:
            return old.champion == target or (of is not None and old.champion != of)

        return self._pointers.write("rolled-back", target, change, fence, done=done, recover=True)

    def retire(self, version: str, *, reason: str = "retired", fence: int | None = None) -> Pointer:
        """Take a version out of the running; its folder stays.

        Raises:
            ModelError: It serves, or is unknown.
        """
        name = self.get(version).id

        def change(old: Pointer, stages: dict[str, Stage]) -> Pointer:
            if name == old.champion:
                raise ModelError(f"{name} serves: promote another one or roll back first")
            stages[name] = "retired"
            return replace(
                old,
                previous=None if old.previous == name else old.previous,
                challenger=None if old.challenger == name else old.challenger,
                reason=reason,
            )

        return self._pointers.write("retired", name, change, fence, done=lambda old: old.stages.get(name) == "retired")

    # -- inside ----------------------------------------------------------------------------------------------------

    @property
    def _versions(self) -> Path:
        return self.folder / "versions"

    def _gate_path(self, version: str) -> Path:
        return self.folder / "gates" / f"{version}.json"

    def _folders(self) -> list[Path]:
        return sorted(path for path in self._versions.glob("v*") if (path / RECORD_NAME).is_file())

    def _listed(self) -> tuple[list[Version], list[str]]:
        pointer = self.pointer()
        found, wrong = [self._base(pointer)], []
        for folder in self._folders():
            try:
                found.append(self._read(folder, pointer))
            except ModelError as error:
                wrong.append(str(error))
        return found, wrong

    def _base(self, pointer: Pointer) -> Version:
        return Version(BASE, None, None, pointer.stages.get(BASE, "retired"), START, None)

    def _read(self, folder: Path, pointer: Pointer) -> Version:
        record = read_record(folder)
        gate = self._gate_path(folder.name)
        return Version(
            id=folder.name,
            folder=folder,
            parent=record["parent"],
            stage=pointer.stages.get(folder.name, "training"),
            created_utc=datetime.fromisoformat(record["created_utc"]),
            manifest=read_manifest(folder),
            facts=record["facts"],
            gate=json.loads(gate.read_text(encoding="utf-8")) if gate.is_file() else None,
        )

    def _acceptable(
        self, folder: Path, parent: str | None, base: Path | None, prompt_version: str | None
    ) -> ModelManifest:
        manifest = check_adapter(folder, base, prompt_version=prompt_version)
        if manifest is None:
            raise ModelError(f"{folder} has no {MANIFEST_NAME}: only adapters trained by this package are registered")
        missing = [name for name in NEEDED if name not in manifest.files]
        if missing:
            raise ModelError(f"{folder / MANIFEST_NAME} does not list {', '.join(missing)}: train the adapter again")
        older = self.get(parent).manifest if parent is not None else None
        if older is not None and older.base_tensors_sha256 != manifest.base_tensors_sha256:
            raise ModelError(
                f"{folder} was trained on base tensors {manifest.base_tensors_sha256[:12]}, its parent {parent} on "
                f"{older.base_tensors_sha256[:12]}: one registry holds adapters of one base; use another learning.model"
            )
        return manifest

    def _require_pass(self, version: Version, gate: Judged | None, pointer: Pointer) -> None:
        remedy = "a version serves after the gate has passed it, or with --force and a reason"
        stored = version.gate or {}
        verdict = gate.verdict if gate is not None else stored.get("verdict")
        if verdict is None:
            raise GateRefused(f"{version.id} was never judged: {remedy}")
        if verdict != "pass":
            raise GateRefused(f"the gate said {verdict} about {version.id}: {remedy}")
        judged = version.id if gate is None else str(getattr(gate, "challenger", version.id))
        if judged != version.id:
            raise GateRefused(f"the gate decision is about {judged}, not about {version.id}: {remedy}")
        known = stored.get("champion", pointer.champion)
        champion = str(getattr(gate, "champion", known)) if gate is not None else known
        if champion != pointer.champion:
            raise GateRefused(
                f"{version.id} was compared with {champion}, but {pointer.champion} serves now: judge it again"
            )

    def _verified(self, version: str, pointer: Pointer) -> str:
        """Check a version without the pointer file, which may be what is damaged."""
        name = pointer.aliases.get(version, version)
        if name != BASE:
            if not (self._versions / name / RECORD_NAME).is_file():
                raise ModelError(f"{self.name} has no version {version!r}; see `lean-llm models list`")
            check_adapter(self._versions / name, None)
        return name


def _require_reason(what: str, reason: str) -> None:
    if not reason.strip():
        raise ModelError(f"{what} needs a reason: it stays in the journal")
