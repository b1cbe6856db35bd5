"""The embedded engine against backtrader and backtesting.py: one EMA cross on daily, hourly and minute bars.

Daily: SPY 1998 to 2021, hourly: EURUSD 2007 to 2018, minutes: a synthetic year. LEAN's default benchmark is on. The
three engines take turns, and the median of the rounds counts: what else the machine does meets all of them alike.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest

from benchmarks.ema_cross import EngineRun, Market, backtesting_run, backtrader_run
from llm_plugin.data.synth import write_market
from llm_plugin.data.synth_config import SynthConfig

RecordFigure = Callable[[str, float, str, float, str], None]
ROUNDS = 5
BAR = 2.0
FIRST_MINUTES, LAST_MINUTES = datetime(2015, 1, 1), datetime(2015, 12, 18)


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic year of an equity's minutes."""
    folder = tmp_path_factory.mktemp("minutes") / "market"
    write_market(folder, SynthConfig(security_type="equity", resolution="minute", bars=98_280, start=date(2015, 1, 1)))
    return folder


def _lean_data(shipped: Path) -> Path:
    return Path(os.environ.get("LEAN_LLM_LEAN_DATA", shipped))


@pytest.mark.parametrize("shape", ["daily", "hourly", "minute"])
def test_engine_against_others(
    shape: str, tmp_path: Path, market_data: Path, minutes: Path, record_figure: RecordFigure
) -> None:
    backtrader, backtesting = pytest.importorskip("backtrader"), pytest.importorskip("backtesting")
    lean = _lean_data(market_data)
    market = {
        "daily": Market("daily", "equity", "SPY", "DAILY", datetime(1998, 1, 2), datetime(2021, 3, 31), 100, lean),
        "hourly": Market(
            "hourly", "forex", "EURUSD", "HOUR", datetime(2007, 1, 1), datetime(2018, 12, 31), 10_000, lean
        ),
        "minute": Market("minute", "equity", "SYNT", "MINUTE", FIRST_MINUTES, LAST_MINUTES, 100, minutes),
    }[shape]
    engine = EngineRun(market, tmp_path / "project")
    frame = engine.bars()
    assert len(frame) > {"daily": 5_000, "hourly": 70_000, "minute": 90_000}[shape]
    seconds: dict[str, list[float]] = {"engine": [], "backtrader": [], "backtesting_py": []}
    for _ in range(ROUNDS):
        here = engine()
        others = {
            "backtrader": backtrader_run(backtrader, market, frame),
            "backtesting_py": backtesting_run(backtesting, market, frame),
        }
        assert {name: other.fills for name, other in others.items()} == dict.fromkeys(others, here.fills)
        assert here.fills > 100
        for name, timing in {"engine": here, **others}.items():
            seconds[name].append(timing.seconds)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    rates = ", ".join(f"{name} {len(frame) / value:,.0f} bars/s" for name, value in median.items())
    print(f"\n{shape}: {len(frame):,} bars, {here.fills} fills, load {os.getloadavg()[0]:.1f}: {rates}")
    record_figure(f"engine_{shape}_bars_per_second", len(frame) / median["engine"], "bars/s", 0, "higher")
    for name in ("backtrader", "backtesting_py"):
        bar = BAR if name == "backtrader" else 0.0
        record_figure(f"engine_vs_{name}_{shape}", median[name] / median["engine"], "x", bar, "higher")
