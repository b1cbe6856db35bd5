"""One EMA cross in three engines: LEAN's API here, backtrader, and backtesting.py, on the very same bars.

Every engine is timed from bars that lie decoded in its own form to the end of its last bar: indicators, orders and
accounting count for all three, reading files counts for none. backtrader runs as fast as it can (`runonce`, `preload`,
no observers). Statistics and result files come after the last bar and count for none either; that the engine makes
points of its chart's samples at the end only does not help it: this is added to its time.
"""

from __future__ import annotations

import gc
import time
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from llm_plugin.engine.feed.bar_stream import BarStream
from llm_plugin.engine.loop.time_loop import TimeLoop
from llm_plugin.engine.runner import run_backtest
from llm_plugin.engine.statistics import ResultSampler

FAST, SLOW = 12, 26
CASH, LEVERAGE = 1_000_000, 50.0
QUIET_END = timedelta(days=5)  # no new orders, so that all that were sent are filled
ALGORITHM = """
from time import perf_counter

from AlgorithmImports import *


class EmaCross(QCAlgorithm):
    def initialize(self):
        self.set_start_date(START)
        self.set_end_date(END)
        self.set_cash(CASH)
        self.pair = self.add_KIND("TICKER", Resolution.RESOLUTION).symbol
        self.fast = self.ema(self.pair, FAST)
        self.slow = self.ema(self.pair, SLOW)
        self.side = 0
        self.bars = []
        self.keep = self.get_parameter("keep") == "yes"
        self.closing = datetime(END) - timedelta(5)

    def on_data(self, data):
        if not data.contains_key(self.pair):
            return
        if self.keep and data[self.pair] is not None:  # a dividend is a slice without a bar
            bar = data[self.pair]
            self.bars.append((self.time, bar.open, bar.high, bar.low, bar.close))
        if self.slow.is_ready:
            side = 1 if self.fast.current.value > self.slow.current.value else -1
            if side != self.side and self.time < self.closing:
                self.market_order(self.pair, SIZE * side * (1 if self.side == 0 else 2))
                self.side = side
        self.last_us = perf_counter()
"""


@dataclass(frozen=True)
class Market:
    """What is traded, where its data lies, and when."""

    name: str
    kind: str
    ticker: str
    resolution: str
    start: datetime
    end: datetime
    size: int
    data: Path

    def source(self) -> str:
        """The algorithm for it."""
        text = ALGORITHM
        values = {"KIND": self.kind, "TICKER": self.ticker, "RESOLUTION": self.resolution, "SIZE": self.size}
        values |= {"CASH": CASH, "FAST": FAST, "SLOW": SLOW}
        values |= {
            key: f"{day.year}, {day.month}, {day.day}" for key, day in (("START", self.start), ("END", self.end))
        }
        for key, value in values.items():
            text = text.replace(key, str(value))
        return text


@dataclass(frozen=True)
class Timing:
    """Seconds from decoded bars to the last one, and fills."""

    seconds: float
    fills: int


class EngineRun:
    """Runs the algorithm here; its clock stops while bars are decoded."""

    def __init__(self, market: Market, folder: Path) -> None:
        self._market, self._folder = market, folder
        folder.mkdir()
        (folder / "main.py").write_text(market.source(), encoding="utf-8")

    def bars(self) -> pd.DataFrame:
        """The bars that the algorithm is given, fill-forward copies included."""
        seen = self._run({"keep": "yes"}).algorithm.bars
        frame = pd.DataFrame(seen, columns=["time", "Open", "High", "Low", "Close"]).set_index("time")
        return frame.assign(Volume=0.0)

    def _run(self, parameters: dict[str, str]) -> Any:
        return run_backtest(
            self._folder, data_folder=self._market.data, results_folder=self._folder / "out", parameters=parameters
        )

    def __call__(self) -> Timing:
        decoding = begin = settling = 0.0
        load, run, settle = BarStream._load, TimeLoop.run, ResultSampler.settle

        def timed_load(stream: BarStream) -> None:
            nonlocal decoding
            since = time.perf_counter()
            load(stream)
            decoding += time.perf_counter() - since

        def timed_run(loop: TimeLoop) -> None:
            nonlocal begin, decoding
            begin, decoding = time.perf_counter(), 0.0
            run(loop)

        def timed_settle(sampler: ResultSampler) -> None:
            nonlocal settling
            since = time.perf_counter()
            settle(sampler)
            settling += time.perf_counter() - since

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ResultSampler, "settle", timed_settle)
            patch.setattr(BarStream, "_load", timed_load)
            patch.setattr(TimeLoop, "run", timed_run)
            gc.collect()
            result = self._run({})
        fills = sum(event.exact_fill_quantity != 0 for event in result.order_events)
        return Timing(result.algorithm.last_us - begin - decoding + settling, fills)


def backtrader_run(backtrader: Any, market: Market, frame: pd.DataFrame) -> Timing:
    """Run the cross in backtrader; its clock starts when the strategy is made, after the data was preloaded."""
    closing = backtrader.date2num(market.end - QUIET_END)
    average = backtrader.indicators.EMA

    class EmaCross(backtrader.Strategy):
        def __init__(self) -> None:
            self.begin = time.perf_counter()
            self.fast = average(self.data.close, period=FAST)
            self.slow = average(self.data.close, period=SLOW)
            self.side = self.filled = 0

        def notify_order(self, order: Any) -> None:
            self.filled += order.status == order.Completed

        def next(self) -> None:
            side = 1 if self.fast[0] > self.slow[0] else -1
            if side != self.side and self.data.datetime[0] < closing:
                size = market.size * (1 if self.side == 0 else 2)
                self.buy(size=size) if side > 0 else self.sell(size=size)
                self.side = side
            self.end = time.perf_counter()

    cerebro = backtrader.Cerebro(stdstats=False, preload=True, runonce=True)
    cerebro.adddata(backtrader.feeds.PandasData(dataname=frame, openinterest=None))
    cerebro.addstrategy(EmaCross)
    cerebro.broker.setcash(CASH)
    cerebro.broker.setcommission(leverage=LEVERAGE)
    gc.collect()
    (strategy,) = cerebro.run()
    return Timing(strategy.end - strategy.begin, strategy.filled)


def average_of(values: Any, period: int) -> Any:
    """The same EMA, seeded with the mean, as backtesting.py takes it: a function of the whole column."""
    result, weight = np.full(len(values), np.nan), 2 / (period + 1)
    value = float(np.mean(values[:period]))
    result[period - 1] = value
    for row, price in enumerate(np.asarray(values)[period:].tolist(), period):
        value = price * weight + value * (1 - weight)
        result[row] = value
    return result


def backtesting_run(backtesting: Any, market: Market, frame: pd.DataFrame) -> Timing:
    """Run the cross in backtesting.py; its clock starts when the strategy is initialised."""
    closing = market.end - QUIET_END
    clock: dict[str, float] = {}

    class EmaCross(backtesting.Strategy):
        def init(self) -> None:
            clock["begin"] = time.perf_counter()
            self.fast = self.I(average_of, self.data.Close, FAST)
            self.slow = self.I(average_of, self.data.Close, SLOW)
            self.side = 0

        def next(self) -> None:
            side = 1 if self.fast[-1] > self.slow[-1] else -1
            if side != self.side and self.data.index[-1] < closing:
                size = market.size * (1 if self.side == 0 else 2)
                self.buy(size=size) if side > 0 else self.sell(size=size)
                self.side = side
            clock["end"] = time.perf_counter()

    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stats = backtesting.Backtest(frame, EmaCross, cash=CASH, margin=1 / LEVERAGE).run()
    # A turn closes one trade and opens the next with one order.
    fills = len(stats["_trades"]) + len(stats["_strategy"].trades)
    return Timing(clock["end"] - clock["begin"], fills)
