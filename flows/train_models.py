"""Train the signal ensemble and the bootstrap validator that learns from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact

from flows.shared import RETRIES, Progress, table_rows
from llm_plugin.runs.training import bootstrap_from_ensemble, recipe_of, train_signal_model
from llm_plugin.settings import resolve

__all__ = ["train_models"]


@task(timeout_seconds=1800, **RETRIES)
def train_signals(recipe: str, data_folder: Path, config: Path | None) -> dict[str, Any]:
    """Train one ensemble and return its headline figures."""
    manifest = train_signal_model(recipe_of(recipe), resolve(config).settings, data_folder, Progress())
    figures = manifest.metrics["out_of_fold"]
    return {
        "model": manifest.name,
        "version": manifest.version,
        "data_cutoff": str(manifest.data_cutoff_utc),
        **figures,
    }


@task(timeout_seconds=3600, **RETRIES)
def train_validator(recipe: str, data_folder: Path, config: Path | None) -> dict[str, Any]:
    """Train the bootstrap validator on an ensemble's out-of-fold signals."""
    manifest = bootstrap_from_ensemble(recipe, resolve(config).settings, data_folder, Progress())
    return {
        "model": manifest.name,
        "version": manifest.base_tensors_sha256[:12],
        "data_cutoff": manifest.data_cutoff_utc,
    }


@flow(name="train-models", timeout_seconds=7200)
def train_models(
    recipe: str = "eurusd_hour", data_folder: Path = Path("datasets/market"), config: Path | None = None
) -> list[dict[str, Any]]:
    """Train the ensemble of a recipe, then the validator; leave a table in the UI.

    Args:
        recipe: Name of a shipped recipe.
        data_folder: LEAN's data folder.
        config: `llm_config.yaml` whose exits, costs and prompts the models are made for; None = the defaults.
    """
    signals = train_signals(recipe, data_folder, config)
    validator = train_validator(recipe, data_folder, config)
    create_table_artifact(
        table_rows([signals, validator]), key="trained-models", description="Models trained by this run"
    )
    return [signals, validator]


if __name__ == "__main__":
    train_models(recipe="eurusd_hour", data_folder=Path("datasets/market"))
