"""The words of the registry: version, stage, pointer. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from llm_plugin.errors import ModelError
from llm_plugin.reasoning.model_folder import ModelManifest

__all__ = ["BASE", "STAGES", "Change", "Pointer", "Stage", "Version", "pointer_from_json", "pointer_to_json"]

BASE = "base"
"""The model without an adapter: always there, never a folder."""

Stage = Literal["training", "validation", "staging", "production", "retired"]
"""training: made, not judged. validation: the challenger. staging: passed, or the one to go back to.
production: the champion. retired: refused or replaced; its folder stays."""

STAGES: tuple[Stage, ...] = get_args(Stage)
POINTER_VERSION = "1"
START = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Version:
    """One registered adapter, immutable but for its stage and its gate decision.

    Attributes:
        id: `v0001-<hash>`, or `base`.
        folder: The adapter; None for `base`.
        parent: The version it was trained from.
        stage: See `Stage`.
        created_utc: When it was registered.
        manifest: As it lies in the folder; None for `base`.
        facts: Where it comes from: cycle, dataset hash, holdout window.
        gate: The gate decision about it, None before it was judged.
    """

    id: str
    folder: Path | None
    parent: str | None
    stage: Stage
    created_utc: datetime
    manifest: ModelManifest | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    gate: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the pointer: what was done, to whom, why."""

    sequence: int
    changed_utc: datetime
    what: str
    version: str
    champion: str
    previous: str | None
    challenger: str | None
    reason: str
    forced: bool
    fencing_token: int


@dataclass(frozen=True, slots=True)
class Pointer:
    """Who serves. One small file, replaced as a whole; `sequence` grows with every change.

    Attributes:
        champion: The version that answers.
        previous: The one it replaced, answering in shadow; what a rollback goes back to.
        challenger: The one that is being judged.
        sequence: Number of the change that wrote this.
        changed_utc: When.
        reason: Why.
        fencing_token: The highest token that ever wrote; a lower one is refused.
        forced: True where the champion was promoted past the gate.
        stages: Stage of every version that has one other than `training`.
        change: What was done last.
    """

    champion: str = BASE
    previous: str | None = None
    challenger: str | None = None
    sequence: int = 0
    changed_utc: datetime = START
    reason: str = "nothing was promoted yet"
    fencing_token: int = 0
    forced: bool = False
    stages: Mapping[str, Stage] = field(default_factory=lambda: {BASE: "production"})
    change: Change | None = None

    @property
    def aliases(self) -> dict[str, str]:
        """Alias -> version, of those that are set."""
        named = {"champion": self.champion, "previous": self.previous, "challenger": self.challenger}
        return {alias: version for alias, version in named.items() if version is not None}


def pointer_to_json(pointer: Pointer) -> dict[str, Any]:
    """Return a pointer as JSON types."""
    from dataclasses import asdict

    from llm_plugin.domain import to_jsonable

    data: dict[str, Any] = to_jsonable(asdict(pointer))
    return {"schema_version": POINTER_VERSION, **data}


def pointer_from_json(data: Mapping[str, Any], where: Path) -> Pointer:
    """Read a pointer.

    Raises:
        ModelError: It is of another schema, or not a pointer at all; names the file and the remedy.
    """
    try:
        if data["schema_version"] != POINTER_VERSION:
            raise ModelError(f"{where} has schema {data['schema_version']!r}, {POINTER_VERSION!r} is known: {_REMEDY}")
        values = {name: data[name] for name in Pointer.__dataclass_fields__}
        unknown = {stage for stage in values["stages"].values() if stage not in STAGES}
        if unknown or not isinstance(values["champion"], str) or not isinstance(values["sequence"], int):
            raise ValueError(f"stages {sorted(unknown)}, champion {values['champion']!r}")
        values["changed_utc"] = datetime.fromisoformat(values["changed_utc"])
        if values["change"] is not None:
            values["change"] = change_from_json(values["change"])
        return Pointer(**values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{where} is damaged ({type(error).__name__}: {error}): {_REMEDY}") from error


def change_from_json(data: Mapping[str, Any]) -> Change:
    """Read one row of the journal."""
    return Change(**{**data, "changed_utc": datetime.fromisoformat(data["changed_utc"])})


_REMEDY = "say who serves with `lean-llm models rollback --to VERSION`, which writes it again from the journal"
