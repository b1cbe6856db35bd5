"""Mutants: each is one wrong thing, still a Python file, with the gates where it may fail."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from witness_sources import CLASSIC, DIP, verdict

from llm_plugin.errors import DataError
from llm_plugin.strategies.benchmark.calibrate import calibrate, planted
from llm_plugin.strategies.judge.verdict import GATES, Candidate, Verdict
from llm_plugin.strategies.mutants import KINDS, mutants_of
from llm_plugin.strategies.requirements import Requirements
from llm_plugin.strategies.tasks import Task

TASK = Task(
    "dip", "mean_reversion", 1, "buy the dip", Requirements.from_json(DIP), date(2014, 1, 1), date(2014, 12, 31),
    100_000, "hand", CLASSIC, (CLASSIC.replace("Dip", "Dip2"),),
)  # fmt: skip


def test_every_kind_has_mutants_and_each_differs_from_the_reference_in_its_own_way(tmp_path: Path) -> None:
    mutants = mutants_of(TASK, tmp_path)
    assert {mutant.kind for mutant in mutants} == set(KINDS)
    sources = [mutant.source for mutant in mutants]
    assert CLASSIC not in sources
    for mutant in mutants:
        ast.parse(mutant.source)
        assert mutant.note
        assert mutant.gates <= set(GATES)


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("period", "self.rsi(self.spy, 5)"),
        ("threshold", "self.fast.current.value < 16"),
        ("sign", "close < self.mean.current.value"),
        ("side", "self.set_holdings(self.spy, -(0.5))"),
        ("symbol", 'self.add_equity("QQQ"'),
        ("stop", "event.fill_price * 0.96"),
        ("size", "self.set_holdings(self.spy, 0.25)"),
        ("shift", "self.send_late_orders()"),
        ("peek", "spy.zip"),
        ("random", "SystemRandom"),
    ],
)
def test_a_mutant_changes_what_its_kind_says(kind: str, part: str, tmp_path: Path) -> None:
    sources = [mutant.source for mutant in mutants_of(TASK, tmp_path) if mutant.kind == kind]
    assert any(part in source for source in sources)


def test_settings_of_the_run_are_no_periods(tmp_path: Path) -> None:
    for mutant in mutants_of(TASK, tmp_path):
        if mutant.kind in ("period", "threshold"):
            assert "set_warm_up(60" in mutant.source
            assert "set_start_date(2014, 1, 1)" in mutant.source


def test_a_task_without_a_reference_has_no_mutants(tmp_path: Path) -> None:
    bare = Task("bare", "f", 1, "p", TASK.requirements)
    assert mutants_of(bare, tmp_path) == []
    with pytest.raises(DataError, match="no task has a reference"):
        calibrate(FakeJudge(), [bare], [])
    with pytest.raises(DataError, match="no mutant is of kind 'perod'"):
        planted([TASK], tmp_path, ["perod"])


class FakeJudge:
    """Says what it was told for each kind; never trades fails at "trades", and so on."""

    def __init__(self, said: dict[str, Verdict] | None = None) -> None:
        self._said = said or {}

    def judge_many(self, candidates: Iterable[Candidate], on_done: Any = None) -> list[Verdict]:
        found = []
        for candidate in candidates:
            kind = candidate.id.split("/")[1] if candidate.id.startswith("planted") else candidate.id.split("/")[0]
            found.append(self._said.get(kind, verdict()))
            on_done(candidate, found[-1])
        return found


def test_a_calibration_counts_right_wrong_and_equivalent(tmp_path: Path) -> None:
    mutants = planted([TASK], tmp_path, ["period", "never", "peek", "size", "sign"])
    said = {
        "period": verdict("means_it", "other"),
        "never": verdict("backtests"),  # caught, but not at its gate
        "peek": verdict(order_hash="h"),  # missed: the same orders are no excuse for a peek
        "size": verdict(order_hash="h"),  # equivalent
        "sign": verdict(order_hash="other"),  # missed
    }
    found = calibrate(FakeJudge(said), [TASK], mutants)
    table = found.by_kind()
    assert table["period"]["caught"] == table["period"]["planted"] > 0
    assert (table["never"]["elsewhere"], table["peek"]["missed"]) == (1, 1)
    assert table["size"]["equivalent"] == 1
    assert table["sign"]["missed"] == table["sign"]["planted"]
    caught = table["period"]["caught"]
    assert found.share("planted") == pytest.approx(100 * caught / (caught + 2 + table["sign"]["missed"]))
    assert found.figures["benchmark_reference_pass"] == found.figures["benchmark_alternative_pass"] == 100.0


def test_a_reference_that_fails_is_told_with_its_gate(tmp_path: Path) -> None:
    found = calibrate(FakeJudge({"reference": verdict("means_it")}), [TASK], [])
    assert found.figures["benchmark_reference_pass"] == 0.0
    (row,) = [row for row in found.to_json()["wrong"] if row["group"] == "reference"]
    assert (row["task"], row["gate"], row["reason"]) == ("dip", "means_it", "why")
