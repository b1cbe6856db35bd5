"""The outcome store under kill -9, and what a decision costs inside a backtest."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "outcomes"))

from kills import kill_and_count

RecordFigure = Callable[[str, float, str, float, str], None]


def test_hundred_kills(tmp_path: Path, record_figure: RecordFigure) -> None:
    report = kill_and_count(str(tmp_path / "store.sqlite"), kills=100)
    print(report)
    record_figure("outcome_store_kills_lost", report.lost + report.doubled + report.torn, "records", 0, "lower")
    assert report.acknowledged > 100
