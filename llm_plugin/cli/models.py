"""`lean-llm train ensemble` and `lean-llm model bootstrap`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from llm_plugin.cli.console import emit, err, key_values

__all__ = ["register"]

train_app = typer.Typer(no_args_is_help=True, help="Train signal models.")
model_app = typer.Typer(no_args_is_help=True, help="Language models.")
CONFIG_HELP = "Take exits, slippage, prompts and memory from this YAML; default: the defaults."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(train_app, name="train")
    app.add_typer(model_app, name="model")


@train_app.command("ensemble")
def train_ensemble(
    name: str = typer.Option("eurusd_hour", help="The model's name; a shipped recipe of that name gives the rest."),
    ticker: str | None = typer.Option(None, help="What to train on, e.g. EURUSD."),
    security_type: str | None = typer.Option(None, help="forex, equity, crypto, cfd or index."),
    market: str | None = typer.Option(None, help="oanda, usa, coinbase, …"),
    resolution: str | None = typer.Option(None, help="minute, hour or daily."),
    start: str | None = typer.Option(None, help="First day, YYYY-MM-DD."),
    until: str | None = typer.Option(None, help="Last day that is seen (the data cutoff), YYYY-MM-DD."),
    data: Path | None = typer.Option(None, help="LEAN's data folder."),
    config: Path | None = typer.Option(None, help=CONFIG_HELP),
    seed: int = typer.Option(7, help="Seed of everything random."),
    as_json: bool = typer.Option(False, "--json", help="Print the manifest as JSON."),
) -> None:
    """Train the ensemble: four tree models, purged walk-forward, calibrated, as ONNX files with a manifest."""
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.runs.training import train_signal_model
    from llm_plugin.settings import resolve

    given = {
        "ticker": ticker,
        "security_type": security_type,
        "market": market,
        "resolution": resolution,
        "start": start and date.fromisoformat(start),
        "cutoff": until and date.fromisoformat(until),
    }
    recipe = _recipe(name, {key: value for key, value in given.items() if value})
    with _stages() as on_stage:
        manifest = train_signal_model(
            recipe, resolve(config).settings, find_data_folder(Path.cwd(), data), on_stage, seed=seed
        )
    figures = manifest.metrics.get("out_of_fold", {})
    shown = {"version": manifest.version, "data cutoff": manifest.data_cutoff_utc, "threshold": manifest.threshold}
    shown |= {f"out of fold: {key}": value for key, value in figures.items() if not isinstance(value, dict)}
    emit(manifest.values, as_json=as_json, show=lambda _: key_values(f"ensemble {name}", shown))


@model_app.command("bootstrap")
def bootstrap(
    ensemble: str = typer.Option("eurusd_hour", help="The ensemble whose out-of-fold signals are learned from."),
    data: Path | None = typer.Option(None, help="LEAN's data folder."),
    config: Path | None = typer.Option(None, help=CONFIG_HELP),
    out: Path | None = typer.Option(None, help="The model's folder; default: models/llm/bootstrap in the home."),
    seed: int = typer.Option(0, help="Seed of everything random."),
    as_json: bool = typer.Option(False, "--json", help="Print the manifest as JSON."),
) -> None:
    """Train the small default validator from replayed decisions, about two minutes on two cores."""
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.runs.training import bootstrap_from_ensemble
    from llm_plugin.settings import resolve

    settings = resolve(config).settings
    with _stages() as on_stage:
        manifest = bootstrap_from_ensemble(
            ensemble, settings, find_data_folder(Path.cwd(), data), on_stage, out=out, seed=seed
        )
    values = asdict(manifest)
    shown = {key: value for key, value in values.items() if isinstance(value, str | int | float)}
    emit(values, as_json=as_json, show=lambda _: key_values("bootstrap model", shown))


def _recipe(name: str, given: dict[str, Any]) -> Any:
    from dataclasses import replace

    from llm_plugin.errors import ConfigError
    from llm_plugin.runs.training import RECIPES, Recipe

    if name in RECIPES:
        return replace(RECIPES[name], **given)
    needed = ("ticker", "security_type", "market", "resolution", "start", "cutoff")
    missing = [key for key in needed if key not in given]
    if missing:
        options = ", ".join("--" + ("until" if key == "cutoff" else key.replace("_", "-")) for key in missing)
        raise ConfigError(f"'{name}' is no shipped recipe ({', '.join(RECIPES)}): give {options}")
    return Recipe(name=name, **given)


@contextmanager
def _stages() -> Iterator[Any]:
    """A progress bar whose text is the stage."""
    with Progress(
        TextColumn("{task.description:<44}"), BarColumn(bar_width=30), TimeElapsedColumn(), console=err
    ) as progress:
        task = progress.add_task("", total=1.0)
        yield lambda stage, fraction: progress.update(task, description=stage, completed=fraction)
