"""`lean-llm data check|synth|universe`."""

from __future__ import annotations

from pathlib import Path

import typer

from llm_plugin.cli.console import emit, out

__all__ = ["register"]

data_app = typer.Typer(no_args_is_help=True, help="Check market data in LEAN's format, or make synthetic data.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(data_app, name="data")


@data_app.command("check")
def check(
    path: Path = typer.Argument(..., help="A LEAN `Data` folder."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Find gaps, bad rows, crossed quotes, damaged zips and missing hours; name file, row and remedy."""
    from llm_plugin.data.check import check_folder, format_report

    report = check_folder(path)
    emit(report.to_jsonable(), as_json=as_json, show=lambda _: out.print(format_report(report), markup=False))
    if report.errors:
        raise typer.Exit(3)
