"""A copy of a run's figures in MLflow. MLflow that is absent, slow or broken never stops training."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from llm_plugin.reasoning.model_folder import ModelManifest

__all__ = ["EXPERIMENT", "log_run"]

EXPERIMENT = "lean-llm-training"
_BATCH = 1000
_log = logging.getLogger(__name__)


def log_run(uri: str, manifest: ModelManifest, history: Sequence[Mapping[str, Any]], *, seconds: float) -> bool:
    """Write one finished training to MLflow.

    Args:
        uri: Server or database.
        manifest: Of the adapter.
        history: What was logged per step; `step` and figures.
        seconds: Wall time.

    Returns:
        Whether it is there; a failure is logged and has no other effect.
    """
    try:
        _write(uri, manifest, history, seconds)
    except Exception as error:  # whatever MLflow raises, the adapter is trained
        _log.warning("MLflow at %s did not take the run: %s: %s", uri, type(error).__name__, error)
        return False
    return True


def _write(uri: str, manifest: ModelManifest, history: Sequence[Mapping[str, Any]], seconds: float) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    experiment = found.experiment_id if found is not None else client.create_experiment(EXPERIMENT)
    run = client.create_run(experiment, run_name=manifest.version)
    now = int(time.time() * 1000)
    metrics = [
        Metric(name, float(value), now, int(row["step"]))
        for row in history
        for name, value in row.items()
        if name not in ("step", "epoch") and isinstance(value, int | float)
    ]
    metrics.append(Metric("seconds", seconds, now, 0))
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run.info.run_id, metrics=metrics[start : start + _BATCH])
    recipe = manifest.training["recipe"]
    settings = manifest.training["settings"]
    known = {**{f"settings.{k}": v for k, v in settings.items()}, **{f"recipe.{k}": v for k, v in recipe.items()}}
    client.log_batch(
        run.info.run_id,
        params=[Param(name, str(value)[:500]) for name, value in sorted(known.items())],
        tags=[
            RunTag("dataset_sha256", manifest.dataset_sha256),
            RunTag("adapter", manifest.version),
            RunTag("parent", manifest.parent or ""),
        ],
    )
    client.set_terminated(run.info.run_id)
