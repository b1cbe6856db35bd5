"""A small run of our own before many others: what forks inherit is then warm."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from llm_plugin.errors import LeanLlmError

__all__ = ["PAYS_FROM", "warm_up"]

# It costs as much as it saves in three or four projects.
PAYS_FROM = 5
_DAYS = 45
_SOURCE = """
from AlgorithmImports import *


class WarmUp(QCAlgorithm):
    def initialize(self):
        self.spy = self.add_equity("SPY", Resolution.HOUR).symbol
        self.fast, self.slow = self.ema(self.spy, 3), self.ema(self.spy, 8)

    def on_data(self, data):
        if self.slow.is_ready:
            side = 1 if self.fast.current.value > self.slow.current.value else -1
            if side * self.portfolio[self.spy].quantity <= 0:
                self.set_holdings(self.spy, side * 0.5)
"""


def warm_up(data_folder: Path) -> None:
    """Run a cross of averages over the last weeks of SPY, LEAN's standard benchmark, if the data folder has its hours.

    The interpreter has then specialised the engine's code, and the benchmark that every project reads lies decoded.
    Nothing of a user's is run or left behind; where it cannot be done, projects merely start cold.

    Args:
        data_folder: LEAN-format data of the projects to come.
    """
    from llm_plugin.engine.base.enums import Resolution, SecurityType, TickType
    from llm_plugin.engine.base.zones import from_us
    from llm_plugin.engine.data.lean_data import read_columns
    from llm_plugin.engine.runner import run_backtest

    try:
        columns = read_columns(data_folder, SecurityType.EQUITY, "usa", "SPY", Resolution.HOUR, TickType.TRADE)
        end = from_us(int(columns.end_us[-1])).date()
        with tempfile.TemporaryDirectory() as folder:
            project = Path(folder)
            (project / "main.py").write_text(_SOURCE, encoding="utf-8")
            run_backtest(
                project,
                data_folder=data_folder,
                results_folder=project / "results",
                start=end - timedelta(_DAYS),
                end=end,
                object_store_folder=project / "storage",
            )
    except (LeanLlmError, OSError, IndexError, ValueError):
        return
