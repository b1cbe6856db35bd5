"""The flow that makes the dataset: rows, tables, and a run that fails where the dataset is not right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.curate_strategies import check, curate_strategies
from llm_plugin.strategies.curate.report import Curation
from llm_plugin.strategies.curate.rows import Row, code_hash, write_rows
from llm_plugin.strategies.curate.run import CurateOptions, CurateProgress

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]

CODE = """from AlgorithmImports import *


class A(QCAlgorithm):
    def on_data(self, data):
        self.buy("SPY", {})
"""


def _row(name: str, split: str, code: str) -> Row:
    return Row(name, f"strategy {name}", code, "trend", split, "pattern", sha256=code_hash(code), core=name, orders=1)


def test_it_writes_the_rows_and_fails_where_splits_share_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[CurateOptions] = []
    rows = [_row("a", "train", CODE.format(1))]

    def fake(options: CurateOptions, tell: Any) -> Curation:
        asked.append(options)
        tell(CurateProgress("patterns", 1, 1, 1, 0, None))
        write_rows(rows, options.out / "patterns.jsonl.gz")
        return Curation(rows, [("x", "trend", "trades", "no order")], {})

    monkeypatch.setattr("flows.curate_strategies.curate", fake)
    state = curate_strategies(tmp_path, data=_market(), per_family=1, return_state=True)
    assert state.is_completed()
    assert state.message == "1 examples"
    assert asked[0].per_family == 1
    rows.append(_row("b", "test", CODE.format(2)))
    assert check.fn(tmp_path, None) == []
    state = curate_strategies(tmp_path, data=_market(), return_state=True)
    assert state.is_failed()
    assert "near-duplicate in another split" in str(state.message)


def _market() -> Path:
    return Path(__file__).parents[2] / "datasets" / "market"
