"""A hundred kills of a shrunken cycle, at any of its writes: nothing lost, nothing doubled, nothing half."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cycle"))

from cycle_kills import kill_and_count

RecordFigure = Callable[[str, float, str, float, str], None]


def test_hundred_kills_of_a_cycle(tmp_path: Path, record_figure: RecordFigure) -> None:
    report = kill_and_count(tmp_path, kills=100)
    print(report)
    assert report.kills == 100
    record_figure("cycle_kills_lost", report.lost, "faults", 0, "lower")
