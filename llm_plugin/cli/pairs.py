"""`lean-llm pairs`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from llm_plugin.cli.console import emit, key_values, out, table

if TYPE_CHECKING:
    from llm_plugin.learning.preview import PairsPreview

__all__ = ["moment", "register"]

STORE_HELP = "Database URL, SQLite file or a run's folder; default: learning.store_url, else the service's store."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("pairs")(pairs)


def pairs(
    store: str | None = typer.Option(None, help=STORE_HELP),
    as_of: str | None = typer.Option(None, help="Nothing later is known: YYYY-MM-DD or ISO 8601 (UTC); default: now."),
    since: str | None = typer.Option(None, help="Change point at which the window begins, as after drift."),
    folder: Path | None = typer.Option(None, "--out", help="Write the dataset, with its card, into this folder."),
    examples: int = typer.Option(3, min=0, help="How many pairs to show, the heaviest first."),
    reasons: bool = typer.Option(False, "--reasons", help="Let the configured model write both answers of each pair."),
    data: Path | None = typer.Option(None, help="LEAN's data folder: adds bars without a signal to the training rows."),
    config: Path | None = typer.Option(None, help="The YAML that the runs were made with; default: the defaults."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show the preference pairs that a retrain would learn from: counts, examples, what is left out and why."""
    from llm_plugin.learning.preview import preview_pairs
    from llm_plugin.learning.stores import open_known_store
    from llm_plugin.settings import resolve

    settings = resolve(config).settings
    with open_known_store(store, settings) as opened:
        found = preview_pairs(
            opened,
            settings,
            as_of_utc=moment(as_of, "--as-of"),
            since_utc=moment(since, "--since"),
            out=folder,
            examples=examples,
            data_folder=data,
            model=(lambda: _model(settings)) if reasons else None,
        )
    emit(found.to_json(), as_json=as_json, show=lambda _: _show(found))
    if found.missing is not None:
        raise found.missing


def moment(text: str | None, option: str) -> datetime | None:
    """Return an aware UTC time; one without a zone is UTC.

    Raises:
        ConfigError: It is no time.
    """
    from llm_plugin.errors import ConfigError

    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text!r} is no time: write YYYY-MM-DD or 2014-03-03T12:00:00Z") from error
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _model(settings: Any) -> Any:
    from llm_plugin.cycle.models import open_configured

    adapter = settings.llm_model.adapter
    return open_configured(settings, Path(adapter) if adapter else None)


def _show(found: PairsPreview) -> None:
    from llm_plugin.learning.card import REASONS

    out.print(f"{found.matured:,} matured decisions at {found.as_of_utc:%Y-%m-%d %H:%M} UTC")
    if found.window_id is not None:
        rows = [
            (name, f"{found.counts[name]:,}", f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}", f"{mean:+.3f}")
            for (name, (start, end)), mean in zip(found.ranges.items(), found.mean_net_r.values(), strict=True)
        ]
        table("Sides, in order of time", ("side", "decisions", "from", "to", "mean net R"), rows, right=(1, 4))
        kinds = {name: f"{count:,}" for name, count in found.counts.items() if name not in found.ranges}
        key_values(f"Training rows (holdout window {found.window_id})", kinds)
    left = [
        (stage, name, f"{count:,}", REASONS.get(name, ""))
        for stage, reasons in found.left_out.items()
        for name, count in reasons.items()
    ]
    table("Left out", ("stage", "reason", "count", ""), left, right=(2,))
    for row in found.examples:
        out.print(f"\n[bold]{row.action.value}[/] {row.net_r:+.2f} R, weight {row.weight:.2f}, {row.decision_id}")
        for name, text in (("prompt", row.prompt[-300:]), ("chosen", row.chosen), ("rejected", row.rejected)):
            out.print(f"  {name}: {text.strip()}", markup=False)
    if found.written is not None:
        out.print(f"\nwritten: {found.written}", markup=False)
