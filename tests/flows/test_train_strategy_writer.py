"""The flow prepares, trains, registers, and tells what came of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_plugin.errors import DataError

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


def test_flow_trains_what_was_asked_for_and_registers_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from flows import train_strategy_writer as module

    calls: list[tuple[Any, ...]] = []

    def prepare(preset: Any, **values: Any) -> Any:
        calls.append((preset.name, preset.sft.rank, values))
        size = SimpleNamespace(steps=10, memory_bytes=1 << 30)
        return SimpleNamespace(rows={"train": 3}, sft=size, seconds=90.0, job=SimpleNamespace(dataset_sha256="ab" * 32))

    def run(prepared: Any, on_step: Any, *, register: bool) -> Any:
        on_step(SimpleNamespace(stage="train", fraction=0.5))
        facts = {"evaluations": [{"step": 10, "loss": 0.5}], "first_loss": 2.0, "last_loss": 0.4}
        return SimpleNamespace(adapter=tmp_path / "a", version="w@1", steps=10, facts=facts), "v0001-ab"

    monkeypatch.setattr(module, "prepare", prepare)
    monkeypatch.setattr(module, "run_prepared", run)
    row = module.train_strategy_writer(dataset=tmp_path, values={"rank": "8"})
    assert calls == [("standin", 8, {"base": None, "dataset": tmp_path, "out": None})]
    assert (row["registered_as"], row["validation_loss"], row["steps"]) == ("v0001-ab", 0.5, 10)


def test_broken_rows_are_not_tried_again(tmp_path: Path) -> None:
    from flows.train_strategy_writer import train_strategy_writer

    with pytest.raises(DataError, match="holds no dataset"):
        train_strategy_writer(dataset=tmp_path)
