from collections import deque

import numpy as np
from AlgorithmImports import *


class RegimeByNumpy(QCAlgorithm):
    """Population deviation of simple returns in a deque."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.closes = deque(self.history(self.spy, 21, Resolution.DAILY)["close"], maxlen=21)

    def on_data(self, data: Slice) -> None:
        if not data.bars.contains_key(self.spy):
            return
        self.closes.append(data.bars[self.spy].close)
        closes = np.array(self.closes)
        volatility = (closes[1:] / closes[:-1] - 1).std() * np.sqrt(252)
        if self.portfolio.invested and volatility > 0.15:
            self.market_order(self.spy, -self.portfolio[self.spy].quantity)
        elif not self.portfolio.invested and volatility < 0.12:
            self.set_holdings(self.spy, 0.9)
