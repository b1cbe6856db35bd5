"""`lean-llm data check|synth|universe`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, key_values, out

__all__ = ["register"]

_COUNTED = ("files", "signals", "beta", "industry", "industry_beta")
data_app = typer.Typer(no_args_is_help=True, help="Check market data in LEAN's format, or make synthetic data.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(data_app, name="data")


@data_app.command("check")
def check(
    path: Path = typer.Argument(..., help="A LEAN `Data` folder."),
    info: bool = typer.Option(False, "--info", help="Show remarks too, not only errors and warnings."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Find gaps, bad rows, crossed quotes, damaged zips and missing hours; name file, row and remedy."""
    from llm_plugin.data.check import check_folder
    from llm_plugin.data.findings import format_report

    report = check_folder(path)
    emit(
        report.to_jsonable(),
        as_json=as_json,
        show=lambda _: out.print(format_report(report, show_info=info), markup=False, soft_wrap=True),
    )
    if not report.ok:
        raise typer.Exit(3)


@data_app.command("synth")
def synth(
    path: Path = typer.Argument(..., help="The folder to write; LEAN's `Data` layout."),
    seed: int = typer.Option(0, help="Same settings and seed give the same bytes."),
    security_type: str = typer.Option("forex", help="forex (bid and ask) or equity (trades)."),
    resolution: str = typer.Option("hour", help="tick, second, minute, hour or daily."),
    bars: int = typer.Option(40_000, help="Number of bars."),
    start: str = typer.Option("2007-01-01", help="First date, YYYY-MM-DD."),
    profile: str = typer.Option("balanced", help="balanced, low_win_rate_positive or high_win_rate_negative."),
    rule: bool = typer.Option(True, "--rule/--no-rule", help="Whether the context tells good signals from bad."),
    signal: str = typer.Option("breakout", help="The base signal."),
    context: str = typer.Option("volatility", help="What decides: volatility, trend, rsi, hour, …"),
    shift: list[str] = typer.Option([], help="A date from which good and bad contexts change places; may be repeated."),
    as_json: bool = typer.Option(False, "--json", help="Print the manifest as JSON."),
) -> None:
    """Write a synthetic market with a planted, documented rule; its manifest holds the ground truth."""
    from llm_plugin.data.synth import write_market
    from llm_plugin.data.synth_config import SynthConfig

    config = SynthConfig.from_mapping(
        {
            "seed": seed,
            "security_type": security_type,
            "resolution": resolution,
            "bars": bars,
            "start": start,
            "profile": profile,
            "rule": rule,
            "signal": signal,
            "context": context,
            "shifts": shift,
        }
    )
    manifest = write_market(path, config)
    emit(manifest.content, as_json=as_json, show=lambda content: _show(f"synthetic market in {path}", content))


@data_app.command("universe")
def universe(
    path: Path = typer.Argument(..., help="The folder to write; LEAN's `Data` layout."),
    seed: int = typer.Option(0, help="Same settings and seed give the same bytes."),
    equities: int = typer.Option(120, help="Number of securities."),
    days: int = typer.Option(1_000, help="Trading days."),
    start: str = typer.Option("2010-01-04", help="First date, YYYY-MM-DD."),
    as_json: bool = typer.Option(False, "--json", help="Print the manifest as JSON."),
) -> None:
    """Write a seeded universe of daily equities with industry, market cap and intraday VWAP."""
    from llm_plugin.data.universe import UniverseConfig, write_universe

    config = UniverseConfig.from_mapping({"seed": seed, "equities": equities, "days": days, "start": start})
    manifest = write_universe(path, config)
    emit(manifest.content, as_json=as_json, show=lambda content: _show(f"synthetic universe in {path}", content))


def _show(title: str, content: dict[str, Any]) -> None:
    key_values(title, dict(_flat(content)))


def _flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Name what a person wants to see; of lists and of whatever holds hashes only the number."""
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, list):
            yield name, f"{len(value)} entries"
        elif key in _COUNTED and isinstance(value, dict):
            yield name, f"{len(value.get('rows', value))} entries"
        elif isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        elif value is not None:
            yield name, value
