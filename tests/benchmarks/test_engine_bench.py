"""The embedded engine and backtrader: one EMA cross, the same hourly EURUSD bars of 2007 to 2018, side by side.

Each measured run is whole: opening the LEAN zip, indicators, orders, the report. Neither is measured cold: one run of
each comes before, so modules are imported, the zip is in the page cache, and the engine has its decoded columns under
`LEAN_LLM_HOME` (backtrader has no such cache; it gets its columns from pandas' C parser, its fastest way in).
backtrader runs with `runonce` and `preload`, and without its standard observers. Speed is bars of the file over seconds
for both: what the engine feeds on top (its benchmark, fill-forward copies) is work that it is not credited for.
"""

from __future__ import annotations

import gc
import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from llm_plugin.engine.runner import run_backtest

RecordFigure = Callable[[str, float, str, float, str], None]

FAST, SLOW, SIZE, ROUNDS = 12, 26, 10_000, 3
CASH, LEVERAGE = 100_000, 50.0
ZIP = Path("forex/oanda/hour/eurusd.zip")
ALGORITHM = f"""
from AlgorithmImports import *


class EmaCross(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2007, 1, 1)
        self.set_end_date(2018, 12, 31)
        self.set_cash({CASH})
        self.pair = self.add_forex("EURUSD", Resolution.HOUR, Market.OANDA).symbol
        self.fast = self.ema(self.pair, {FAST})
        self.slow = self.ema(self.pair, {SLOW})
        self.side = 0

    def on_data(self, data):
        if not self.slow.is_ready or not data.contains_key(self.pair):
            return
        side = 1 if self.fast.current.value > self.slow.current.value else -1
        if side != self.side:
            self.market_order(self.pair, {SIZE} * side * (1 if self.side == 0 else 2))
            self.side = side
"""


def backtrader_strategy(backtrader: ModuleType) -> type:
    """Return the strategy of `ALGORITHM` as backtrader writes it."""

    class EmaCross(backtrader.Strategy):
        def __init__(self):
            self.fast = backtrader.indicators.EMA(self.data.close, period=FAST)
            self.slow = backtrader.indicators.EMA(self.data.close, period=SLOW)
            self.side = 0
            self.filled = 0

        def notify_order(self, order):
            self.filled += order.status == order.Completed

        def next(self):
            side = 1 if self.fast[0] > self.slow[0] else -1
            if side != self.side:
                size = SIZE * (1 if self.side == 0 else 2)
                self.buy(size=size) if side > 0 else self.sell(size=size)
                self.side = side

    return EmaCross


def mid_prices(path: Path):
    """Return the bars of a LEAN quote file as mid prices."""
    import pandas

    sides = [f"{side}_{field}" for side in ("bid", "ask") for field in ("open", "high", "low", "close", "size")]
    with zipfile.ZipFile(path) as archive:
        text = archive.read(archive.namelist()[0])
    frame = pandas.read_csv(io.BytesIO(text), names=["time", *sides], engine="c")
    index = pandas.to_datetime(frame["time"], format="%Y%m%d %H:%M")
    fields = ("open", "high", "low", "close")
    middle = {name: ((frame["bid_" + name] + frame["ask_" + name]) / 2).to_numpy() for name in fields}
    return pandas.DataFrame(middle, index=index)


def run_backtrader(backtrader: ModuleType, path: Path) -> tuple[int, int]:
    """Run the strategy; return bars seen and orders filled."""
    cerebro = backtrader.Cerebro(stdstats=False, preload=True, runonce=True)
    cerebro.adddata(backtrader.feeds.PandasData(dataname=mid_prices(path), volume=None, openinterest=None))
    cerebro.addstrategy(backtrader_strategy(backtrader))
    cerebro.broker.setcash(CASH)
    cerebro.broker.setcommission(leverage=LEVERAGE)
    (strategy,) = cerebro.run()
    return len(strategy.data), strategy.filled


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    gc.collect()
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def test_engine_against_backtrader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, market_data: Path, record_figure: RecordFigure
) -> None:
    backtrader = pytest.importorskip("backtrader")
    monkeypatch.setenv("LEAN_LLM_HOME", str(tmp_path / "home"))
    project = tmp_path / "project"
    project.mkdir()
    (project / "main.py").write_text(ALGORITHM, encoding="utf-8")

    def engine_run():
        return run_backtest(project, data_folder=market_data, results_folder=tmp_path / "results")

    def backtrader_run():
        return run_backtrader(backtrader, market_data / ZIP)

    result, (bars, filled) = engine_run(), backtrader_run()
    orders = len(result.orders)
    assert bars > 70_000
    assert abs(result.bars - bars) < 0.05 * bars
    assert orders > 1000
    assert abs(orders - filled) < 0.05 * filled
    engine, other = [], []
    for _ in range(ROUNDS):
        engine.append(timed(engine_run))
        other.append(timed(backtrader_run))
    ours, theirs = bars / min(engine), bars / min(other)
    print(
        f"\nengine {ours:,.0f} bars/s, {orders} orders; backtrader {theirs:,.0f} bars/s, {filled} orders; {bars} bars"
    )
    record_figure("engine_bars_per_second", ours, "bars/s", 2 * theirs, "higher")
    record_figure("engine_bars_per_second_vs_backtrader", ours / theirs, "x", 2.0, "higher")
