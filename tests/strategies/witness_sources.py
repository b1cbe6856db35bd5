"""A right strategy, what is asked of it, and verdicts as a judge would give them."""

from __future__ import annotations

from typing import Any

from llm_plugin.strategies.judge.verdict import GATES, GateResult, Verdict

DIP: dict[str, Any] = {
    "symbols": ["SPY"],
    "indicators": [{"name": "rsi", "period": 2}, {"name": "sma", "period": 5}],
    "entry": {"long": "rsi(2) < 10"},
    "exit": {"long": "close > sma(5)"},
    "stop": {"kind": "percent", "value": 2.0},
    "size": {"kind": "fraction", "value": 0.5},
}
CLASSIC = """from AlgorithmImports import *


class Dip(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.fast = self.rsi(self.spy, 2)
        self.mean = self.sma(self.spy, 5)
        self.set_warm_up(60, Resolution.DAILY)

    def on_data(self, data):
        if self.is_warming_up or self.spy not in data.bars:
            return
        close = data.bars[self.spy].close
        if not self.portfolio.invested:
            if self.fast.current.value < 10:
                self.set_holdings(self.spy, 0.5)
        elif close > self.mean.current.value:
            self.liquidate(self.spy)

    def on_order_event(self, event):
        if event.status == OrderStatus.FILLED and event.fill_quantity > 0:
            self.stop_market_order(self.spy, -event.fill_quantity, event.fill_price * 0.98)
"""


def verdict(failed: str = "", order_hash: str = "h", name: str = "") -> Verdict:
    place = GATES.index(failed) if failed else len(GATES)
    gates = tuple(
        GateResult(gate, True if at < place else False if at == place else None, "why" if at == place else "")
        for at, gate in enumerate(GATES)
    )
    return Verdict(gates, statistics={"OrderListHash": order_hash}, id=name)
