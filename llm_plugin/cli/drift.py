"""`lean-llm drift check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from llm_plugin.cli.console import emit, out, table
from llm_plugin.cli.pairs import STORE_HELP, moment

if TYPE_CHECKING:
    from llm_plugin.drift.report import DriftReport

__all__ = ["register"]

drift_app = typer.Typer(no_args_is_help=True, help="Has the market, or the worth of the model, changed?")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(drift_app, name="drift")


@drift_app.command("check")
def check(
    store: str | None = typer.Option(None, help=STORE_HELP),
    data: Path | None = typer.Option(
        None, help="LEAN's data folder, for the bars; without it the questions' own features are compared."
    ),
    as_of: str | None = typer.Option(None, help="Nothing later is known: YYYY-MM-DD or ISO 8601 (UTC); default: now."),
    state: Path | None = typer.Option(
        None, help="State file of earlier checks; default: that of the loop, or none where --store names another store."
    ),
    keep: bool = typer.Option(False, "--keep", help="Write the state: what is found now is not reported again."),
    config: Path | None = typer.Option(None, help="The YAML that the runs were made with; default: the defaults."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Check inputs, outcomes and calibration once, for people to look at; the loop's own checks are not touched."""
    from datetime import UTC, datetime

    from llm_plugin.drift.run import run_drift_check, state_path
    from llm_plugin.drift.state import DriftState
    from llm_plugin.errors import ConfigError
    from llm_plugin.learning.stores import open_known_store
    from llm_plugin.settings import resolve

    settings = resolve(config).settings
    path = state or (state_path(settings.learning.model) if store is None else None)
    if keep and path is None:
        raise ConfigError("--keep with --store needs a file to keep the state in: name it with --state")
    with open_known_store(store, settings) as opened:
        report, known = run_drift_check(
            opened,
            settings,
            as_of_utc=moment(as_of, "--as-of") or datetime.now(UTC),
            state=None if path is None else DriftState.read(path),
            data_folder=data,
        )
    if keep and path is not None:
        known.write(path)
    emit(report.to_json(), as_json=as_json, show=lambda _: _show(report))


def _show(report: DriftReport) -> None:
    words = "drift found" if report.found else "no new drift"
    out.print(f"{report.checked_utc:%Y-%m-%d %H:%M} UTC: {words}")
    rows = [(f.kind, f.name, f.standing.replace("_", " "), f.text, _since(f)) for f in report.findings]
    table("", ("", "of", "standing", "", "since"), rows)


def _since(finding: Any) -> str:
    return "" if finding.change_point_utc is None else f"{finding.change_point_utc:%Y-%m-%d %H:%M}"
