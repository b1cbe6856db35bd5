import numpy as np
from AlgorithmImports import *


class ScoreFromFrame(QCAlgorithm):
    """One frame of closes a month; numpy does the rest."""

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(100_000)
        self.names = ["AAPL", "IBM", "BAC", "WM", "GOOG", "AIG"]
        for name in self.names:
            self.add_equity(name, Resolution.DAILY)
        self.month = None

    def on_data(self, data: Slice) -> None:
        if data.bars.count < len(self.names) or self.time.month == self.month:
            return
        self.month = self.time.month
        scores = {}
        for name in self.names:
            closes = np.array([bar.close for bar in self.history[TradeBar](name, 127, Resolution.DAILY)])
            daily = closes[1:] / closes[:-1] - 1
            scores[name] = closes[-1] / closes[0] - 1 - daily[-60:].std(ddof=1) * 252**0.5
        best = sorted(scores, key=scores.get, reverse=True)[:3]
        for name in self.names:
            if name not in best:
                self.liquidate(name)
        for name in best:
            self.set_holdings(name, 0.33)
