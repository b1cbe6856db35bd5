"""Train the signal ensemble and the bootstrap validator that learns from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact

from llm_plugin.errors import RetryableError
from llm_plugin.runs.training import bootstrap_from_ensemble, recipe_of, train_signal_model
from llm_plugin.settings import resolve

__all__ = ["train_models"]


def _retryable(_task: Any, _run: Any, state: Any) -> bool:
    """Retry only what another attempt can mend."""
    try:
        state.result()
    except RetryableError:
        return True
    except Exception:
        return False
    return False


class _Log:
    """Stages as log lines, a few each."""

    def __init__(self) -> None:
        self._logger = get_run_logger()
        self._seen: set[tuple[str, int]] = set()

    def __call__(self, stage: str, fraction: float) -> None:
        key = ("".join(c for c in stage if not c.isdigit()), int(fraction * 4))
        if key not in self._seen:
            self._seen.add(key)
            self._logger.info("%3.0f %%  %s", 100 * fraction, stage)


@task(retries=2, retry_delay_seconds=30, retry_condition_fn=_retryable, timeout_seconds=1800)
def train_signals(recipe: str, data_folder: Path, config: Path | None) -> dict[str, Any]:
    """Train one ensemble and return its headline figures."""
    manifest = train_signal_model(recipe_of(recipe), resolve(config).settings, data_folder, _Log())
    figures = manifest.metrics["out_of_fold"]
    return {
        "model": manifest.name,
        "version": manifest.version,
        "data_cutoff": str(manifest.data_cutoff_utc),
        **figures,
    }


@task(retries=2, retry_delay_seconds=30, retry_condition_fn=_retryable, timeout_seconds=3600)
def train_validator(recipe: str, data_folder: Path, config: Path | None) -> dict[str, Any]:
    """Train the bootstrap validator on an ensemble's out-of-fold signals."""
    manifest = bootstrap_from_ensemble(recipe, resolve(config).settings, data_folder, _Log())
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
    rows = [{k: str(v) for k, v in row.items() if not isinstance(v, dict)} for row in (signals, validator)]
    create_table_artifact(rows, key="trained-models", description="Models trained by this run")
    return [signals, validator]


if __name__ == "__main__":
    train_models(recipe="eurusd_hour", data_folder=Path("datasets/market"))
