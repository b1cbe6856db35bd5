"""`lean-llm models list|show|promote|rollback|diff`: versions of the validator and who of them serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from llm_plugin.cli.console import emit, err, key_values, out, table

if TYPE_CHECKING:
    from llm_plugin.registry.compare import Difference
    from llm_plugin.registry.words import Change, Pointer, Version
    from llm_plugin.stack.loop import Loop

__all__ = ["register", "tell_mirror"]

models_app = typer.Typer(no_args_is_help=True, help="Versions of the validator, and who of them serves.")
VERSION = typer.Argument(help="Id as `models list` shows it, or champion, challenger, previous, base.")
CONFIG = typer.Option(None, help="The YAML whose learning.model is meant; default: the defaults.")
REASON = typer.Option(..., help="Why; it stays in the journal.")
JSON = typer.Option(False, "--json", help="Print JSON.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(models_app, name="models")


@models_app.command("list")
def list_versions(config: Path | None = CONFIG, as_json: bool = JSON) -> None:
    """Show every version: stage, alias, parent, what the gate said."""
    registry = _registry(config)
    pointer, versions, problems = registry.pointer(), registry.versions(), registry.problems()
    data = {
        "model": registry.name,
        "aliases": pointer.aliases,
        "sequence": pointer.sequence,
        "versions": [_facts(version) for version in versions],
        "problems": problems,
    }

    def show(_: Any) -> None:
        named = {version: alias for alias, version in pointer.aliases.items()}
        rows = [
            (
                version.id,
                named.get(version.id, ""),
                version.stage,
                version.parent or "–",
                (version.gate or {}).get("verdict", "–"),
                _gain(version),
                f"{version.created_utc:%Y-%m-%d %H:%M}" if version.folder is not None else "–",
            )
            for version in versions
        ]
        table(
            f"{registry.name}", ("version", "alias", "stage", "parent", "gate", "gain", "registered"), rows, right=(5,)
        )
        changes = [row for row in registry.history() if row.what in ("promoted", "rolled-back")]
        out.print(_sentence(replace(pointer, reason=changes[-1].reason) if changes else pointer), markup=False)
        for problem in problems:
            err.print(f"[bold red]unusable[/]: {problem}")

    emit(data, as_json=as_json, show=show)


@models_app.command("show")
def show_version(version: str = VERSION, config: Path | None = CONFIG, as_json: bool = JSON) -> None:
    """Show one version: lineage, training, gate, and what was done with it. Its files are checked by hash."""
    registry = _registry(config)
    found = registry.verify(version)
    changes = _about(registry.history(), found.id)

    def show(_: Any) -> None:
        facts = {"stage": found.stage, "parent": found.parent or "–", "folder": found.folder or "–", **found.facts}
        key_values(found.id, {name: value for name, value in facts.items() if not isinstance(value, dict)})
        if found.manifest is not None:
            values = {key: value for key, value in asdict(found.manifest).items() if isinstance(value, str)}
            key_values("manifest", {**values, **_plain(found.manifest.training)})
        gate = (found.gate or {}).get("decision")
        if gate:
            key_values(f"gate: {found.gate['verdict'] if found.gate else ''}", _plain(gate))
        rows = [(row.sequence, f"{row.changed_utc:%Y-%m-%d %H:%M}", row.what, _why(row)) for row in changes]
        table("what was done", ("#", "when (UTC)", "what", "why"), rows)

    emit({**_facts(found), "history": [asdict(row) for row in changes]}, as_json=as_json, show=show)


@models_app.command("promote")
def promote(
    version: str = VERSION,
    reason: str = REASON,
    force: bool = typer.Option(False, "--force", help="Past the gate; recorded as forced."),
    config: Path | None = CONFIG,
    as_json: bool = JSON,
) -> None:
    """Let a version serve; without --force only one that the gate has passed."""
    with _loop(config) as loop:
        pointer = loop.registry.promote(version, reason=reason, force=force)
        _tell(loop)
    emit(_pointer_facts(pointer), as_json=as_json, show=lambda _: out.print(_sentence(pointer), markup=False))


@models_app.command("rollback")
def rollback(
    reason: str = typer.Option("asked by an operator", help="Why; it stays in the journal."),
    to: str | None = typer.Option(None, help="Version to go back to; default: previous."),
    config: Path | None = CONFIG,
    as_json: bool = JSON,
) -> None:
    """Take the champion out of service; the version before it serves again."""
    with _loop(config) as loop:
        pointer = loop.registry.rollback(reason, to=to)
        _tell(loop)
    emit(_pointer_facts(pointer), as_json=as_json, show=lambda _: out.print(_sentence(pointer), markup=False))


@models_app.command("diff")
def diff(
    first: str = VERSION,
    second: str = VERSION,
    config: Path | None = CONFIG,
    as_json: bool = JSON,
) -> None:
    """Compare two versions: lineage, settings, figures, distance of what they add to the base."""
    from llm_plugin.registry.compare import compare

    registry = _registry(config)
    found = compare(registry.verify(first), registry.verify(second))
    emit(asdict(found), as_json=as_json, show=lambda _: _show_difference(found))


def tell_mirror(settings: Any) -> None:
    """Bring MLflow up to date where it is wanted; an outage is told and made good by the next one."""
    from llm_plugin.registry.mirror import mirror_of

    mirror = mirror_of(settings)
    problem = mirror.deliver() if mirror is not None else None
    if problem is not None:
        err.print(f"MLflow was not told: {problem}", markup=False)


def _show_difference(found: Difference) -> None:
    names = ("", found.first, found.second)
    table("differs", names, [(name, *map(_short, pair)) for name, pair in found.fields.items()])
    table("figures", names, [(name, *map(_short, pair)) for name, pair in found.figures.items()], right=(1, 2))
    rows = {"distance": f"{found.distance:.4g}", "relative to the larger": f"{found.relative:.3f}"}
    key_values("weights", {**rows, **{name: f"{share:.0%}" for name, share in found.largest.items()}})


def _registry(config: Path | None) -> Any:
    from llm_plugin.registry.store import Registry
    from llm_plugin.settings import resolve

    return Registry(name=resolve(config).settings.learning.model)


def _loop(config: Path | None) -> Any:
    from llm_plugin.stack.loop import open_loop

    return open_loop(config)


def _tell(loop: Loop) -> None:
    from llm_plugin.cycle.journal import tell_changes

    tell_changes(loop.registry, loop.database)
    tell_mirror(loop.settings)


def _facts(version: Version) -> dict[str, Any]:
    data = asdict(version)
    data["created_utc"] = version.created_utc if version.folder is not None else None
    return data


def _pointer_facts(pointer: Pointer) -> dict[str, Any]:
    return {**pointer.aliases, "sequence": pointer.sequence, "reason": pointer.reason, "forced": pointer.forced}


def _sentence(pointer: Pointer) -> str:
    forced = ", past the gate" if pointer.forced else ""
    behind = f"; {pointer.previous} is the one to go back to" if pointer.previous else ""
    return f"{pointer.champion} serves ({pointer.reason}{forced}){behind}"


def _gain(version: Version) -> str:
    gain = ((version.gate or {}).get("decision") or {}).get("gain")
    return f"{gain:+.3f} R" if isinstance(gain, int | float) else "–"


def _about(history: Sequence[Change], version: str) -> list[Change]:
    """Return the changes that were made to a version, and those that took its place from it."""
    found, serving = [], "base"
    for row in history:
        if version == row.version or (serving == version != row.champion):
            found.append(row)
        serving = row.champion
    return found


def _why(row: Any) -> str:
    return f"{row.reason} (forced)" if row.forced else row.reason


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _short(value) for key, value in values.items() if isinstance(value, str | int | float)}


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = "–" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
