"""The training flow runs both trainings in order and retries only what can be mended."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from llm_plugin.errors import BackendUnavailable, DataError

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the two long trainings by recorders; the flow around them is the real one."""
    calls: list[str] = []

    def signals(recipe: Any, settings: Any, data_folder: Path, on_stage: Any) -> Any:
        calls.append(f"signals {recipe.name} {data_folder}")
        on_stage("fitting", 0.5)
        metrics = {"out_of_fold": {"entries": 10, "auc": {"long": 0.5}}}
        return SimpleNamespace(name=recipe.name, version="v1", data_cutoff_utc="2012-12-31", metrics=metrics)

    def validator(recipe: str, settings: Any, data_folder: Path, on_stage: Any) -> Any:
        calls.append(f"validator {recipe}")
        return SimpleNamespace(name="bootstrap", base_tensors_sha256="ab" * 32, data_cutoff_utc="2012-12-31")

    monkeypatch.setattr("flows.train_models.train_signal_model", signals)
    monkeypatch.setattr("flows.train_models.bootstrap_from_ensemble", validator)
    return calls


def test_the_validator_is_trained_after_the_signals_it_learns_from(trainings: list[str], tmp_path: Path) -> None:
    from flows.train_models import train_models

    rows = train_models("eurusd_hour", tmp_path)
    assert trainings == [f"signals eurusd_hour {tmp_path}", "validator eurusd_hour"]
    assert [row["model"] for row in rows] == ["eurusd_hour", "bootstrap"]


@pytest.mark.parametrize(("error", "attempts"), [(DataError("bad row"), 1), (BackendUnavailable("busy"), 3)])
def test_only_retryable_errors_are_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, attempts: int
) -> None:
    from flows import train_models as module

    calls: list[int] = []

    def fail(*_: Any, **__: Any) -> Any:
        calls.append(1)
        raise error

    monkeypatch.setattr(module, "train_signal_model", fail)
    quick = module.train_signals.with_options(retry_delay_seconds=0)
    monkeypatch.setattr(module, "train_signals", quick)
    with pytest.raises(type(error)):
        module.train_models("eurusd_hour", tmp_path)
    assert len(calls) == attempts


def test_every_deployment_names_a_flow_that_exists() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert deployments
    for deployment in deployments:
        path, name = deployment["entrypoint"].split(":")
        namespace: dict[str, Any] = {}
        exec(compile((ROOT / path).read_text(encoding="utf-8"), path, "exec"), namespace)
        known = set(namespace[name].parameters.properties)
        assert set(deployment["parameters"]) <= known
