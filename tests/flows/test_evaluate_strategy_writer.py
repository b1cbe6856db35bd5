"""The flow runs the benchmark for each model and compares the later ones with the first."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_plugin.errors import ConfigError

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


def test_flow_evaluates_each_model_and_compares_with_the_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from flows import evaluate_strategy_writer as module

    asked: list[tuple[str, int]] = []
    compared: list[tuple[str, str]] = []

    def evaluate(model: str, data_folder: Path, options: Any, **values: Any) -> Any:
        asked.append((model, options.samples))
        values["on_sample"](None, 1, 2)
        score = {"pass@1": {"value": 0.5}}
        summary = {
            "model": model,
            "scores": dict.fromkeys(("compiles", "backtests", "trades", "means_it", "honest"), score),
        }
        return SimpleNamespace(summary=summary, folder=tmp_path / model, missing=0)

    def compare(a: list[Any], b: list[Any]) -> list[Any]:
        compared.append((a[0], b[0]))
        return [SimpleNamespace(to_json=lambda: {"gate": "means_it", "difference": 0.1})]

    monkeypatch.setattr(module, "evaluate", evaluate)
    monkeypatch.setattr(module, "compare_samples", compare)
    monkeypatch.setattr(module, "read_samples", lambda path: [path.parent.name])
    rows = module.evaluate_strategy_writer(models=["one", "two", "three"], samples=2, temperature=0.8)
    assert asked == [("one", 2), ("two", 2), ("three", 2)]
    assert compared == [("one", "two"), ("one", "three")]
    assert [row["means_it"] for row in rows] == [50.0, 50.0, 50.0]


def test_an_unknown_model_is_not_tried_again() -> None:
    from flows.evaluate_strategy_writer import evaluate_strategy_writer

    with pytest.raises(ConfigError, match="model 'nobody' is unknown"):
        evaluate_strategy_writer(models=["nobody"])
