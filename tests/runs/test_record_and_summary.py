"""Figures of a run come from what stands on disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from llm_plugin.errors import RecordError
from llm_plugin.runs.record import ArmRecord, daily_equity, read_rows
from llm_plugin.runs.summary import compare_arms, summarise, trading_days

MakeArm = Callable[..., ArmRecord]


def test_summary_counts_what_the_record_holds(make_arm: MakeArm) -> None:
    arm = make_arm("llm", "LLM", veto_rate=0.4, drift=0.0)
    summary = summarise(arm, None)
    assert summary["decisions"] == 480
    assert summary["approved"] + summary["vetoed"] + summary["adjusted"] == 480
    assert 0.3 < summary["vetoed"] / 480 < 0.5
    assert summary["llm_share"] == 1.0
    assert summary["replay_error_r_max"] == pytest.approx(0.01)
    assert summary["bars_per_second"] == 500.0
    assert summary["ablation"] is None
    assert summary["decisions_hash"]


def test_a_different_verdict_changes_the_decisions_hash(make_arm: MakeArm) -> None:
    first = summarise(make_arm("a", "A", veto_rate=0.4, drift=0.0, seed=1), None)
    other = summarise(make_arm("b", "B", veto_rate=0.5, drift=0.0, seed=1), None)
    assert first["decisions_hash"] != other["decisions_hash"]


def test_comparison_gives_an_interval_for_every_arm_but_the_control(make_arm: MakeArm) -> None:
    control = make_arm("none", "no validator", veto_rate=0.0, drift=-0.001, days=200)
    better = make_arm("llm", "LLM", veto_rate=0.3, drift=0.003, days=200, seed=2)
    rows = {row["arm"]: row for row in compare_arms([control, better], control)}
    assert rows["none"]["gain_daily_return"] is None
    gain = rows["llm"]["gain_daily_return"]
    assert gain["low"] > 0
    assert gain["low"] < gain["mean"] < gain["high"]


def test_daily_equity_never_reads_a_later_point(make_arm: MakeArm) -> None:
    arm = make_arm("llm", "LLM", veto_rate=0.0, drift=0.001, days=30)
    days = [date(2013, 1, 4), date(2013, 1, 5)]
    times, values = arm.equity
    for day, value in zip(days, daily_equity(arm, days), strict=True):
        known = [v for t, v in zip(times, values, strict=True) if t.date() <= day]
        assert value == known[-1]
    assert all(day.weekday() < 5 for day in trading_days(arm))


def test_a_half_written_last_row_is_left_out_but_a_damaged_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_text('{"kind":"signal"}\n{"kind":"dec')
    assert len(list(read_rows(path))) == 1
    path.write_text('{"kind":"signal"}\n{broken}\n{"kind":"signal"}\n')
    with pytest.raises(RecordError, match=r"decisions\.jsonl:2 is not JSON"):
        list(read_rows(path))
    with pytest.raises(RecordError, match="recorded no decisions"):
        list(read_rows(tmp_path / "missing.jsonl"))
