"""The same backtest twice: the same orders, the same decisions, whichever memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from e2e_tools import Done, backtest, sets

SPAN = {"start": "2013-01-01", "end": "2013-03-31"}
LOCAL = "memory.backend=local"


@pytest.fixture(scope="module")
def first(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Three months with the trained models and the local memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAN_LLM_HOME", str(trained_home))
        done = backtest(tmp_path_factory.mktemp("first") / "runs", "eurusd_ensemble", *sets(LOCAL), **SPAN)
    assert done.code == 0, done.err
    return done


def hashes(summary: dict[str, Any]) -> tuple[str, str]:
    return summary["orders_hash"], summary["decisions_hash"]


def test_two_runs_give_the_same_hashes(first: Done, shared_home: Path, tmp_path: Path) -> None:
    summary = first.run.summary
    assert summary["decisions"] >= 20
    assert summary["llm_share"] > 0.5
    again = backtest(tmp_path / "runs", "eurusd_ensemble", "--no-baseline", *sets(LOCAL), **SPAN)
    assert again.code == 0, again.err
    assert hashes(again.run.summary) == hashes(summary)
    assert [d.memory_hits for d in again.run.decisions] == [d.memory_hits for d in first.run.decisions]
    assert any(d.memory_hits for d in first.run.decisions)
