"""The same backtest twice: the same orders, the same decisions, whichever memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from e2e_tools import FAKE, QUICK, Done, backtest, sets

SPAN = {"start": "2013-01-01", "end": "2013-03-31"}
LOCAL = "memory.backend=local"


@pytest.fixture(scope="module")
def first(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Three months with the trained models and the local memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAN_LLM_HOME", str(trained_home))
        done = backtest(tmp_path_factory.mktemp("first") / "runs", "eurusd_ensemble", *sets(LOCAL, *QUICK), **SPAN)
    assert done.code == 0, done.err
    return done


def hashes(summary: dict[str, Any]) -> tuple[str, str]:
    return summary["orders_hash"], summary["decisions_hash"]


def test_two_runs_give_the_same_hashes(first: Done, shared_home: Path, tmp_path: Path) -> None:
    summary = first.run.summary
    assert summary["decisions"] >= 50
    assert summary["llm_share"] > 0.7
    again = backtest(tmp_path / "runs", "eurusd_ensemble", "--no-baseline", *sets(LOCAL, *QUICK), **SPAN)
    assert again.code == 0, again.err
    assert hashes(again.run.summary) == hashes(summary)
    assert [d.memory_hits for d in again.run.decisions] == [d.memory_hits for d in first.run.decisions]
    assert any(d.memory_hits for d in first.run.decisions)


@pytest.mark.integration
@pytest.mark.slow
def test_weaviate_and_the_local_memory_give_the_same_hashes(first: Done, weaviate: Any, tmp_path: Path) -> None:
    done = backtest(
        tmp_path / "runs", "eurusd_ensemble", "--no-baseline", *sets("memory.backend=weaviate", *QUICK), **SPAN
    )
    assert done.code == 0, done.err
    assert not done.run.summary["notes"]
    assert hashes(done.run.summary) == hashes(first.run.summary)
    assert [d.memory_hits for d in done.run.decisions] == [d.memory_hits for d in first.run.decisions]


def test_another_model_gives_another_hash(first: Done, shared_home: Path, tmp_path: Path) -> None:
    """The planted offender: a hash that never changes would make every run reproducible."""
    done = backtest(tmp_path / "runs", "eurusd_ensemble", "--no-baseline", *sets(LOCAL, *QUICK, *FAKE), **SPAN)
    assert done.code == 0, done.err
    assert hashes(done.run.summary)[0] != hashes(first.run.summary)[0]
    assert hashes(done.run.summary)[1] != hashes(first.run.summary)[1]


def from_record(record: Path, output: Path) -> Done:
    return backtest(output, "eurusd_ensemble", "--decisions-from", record, *sets(LOCAL, *QUICK), **SPAN)


def test_a_recorded_run_gives_the_same_orders_without_any_model(first: Done, tmp_path: Path) -> None:
    done = from_record(first.run.folder, tmp_path / "runs")
    assert done.code == 0, done.err
    assert hashes(done.run.summary) == hashes(first.run.summary)
    assert not (tmp_path / "home" / "models").exists()


@pytest.mark.parametrize("kind", ["signal", "decision"])
def test_a_row_that_the_record_lacks_is_an_error_that_names_its_bar(first: Done, tmp_path: Path, kind: str) -> None:
    rows = first.run.rows
    lost = [index for index, row in enumerate(rows) if row["kind"] == kind][-1]
    bar = rows[lost]["time_utc" if kind == "signal" else "bar_utc"]
    record = tmp_path / "decisions.jsonl"
    record.write_text("".join(json.dumps(row) + "\n" for index, row in enumerate(rows) if index != lost))
    done = from_record(record, tmp_path / "runs")
    assert done.code == 5
    assert "RecordError" in done.text
    assert f"{record} has no" in done.text
    assert bar in done.text
