from AlgorithmImports import *


class SavingsPlan(QCAlgorithm):
    """Remembers the month in which it last bought; a market-on-open order on the first bar of a new one."""

    def initialize(self) -> None:
        self.set_start_date(2013, 1, 1)
        self.set_end_date(2013, 12, 31)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.bought = set()

    def on_data(self, data: Slice) -> None:
        if self.spy not in data.bars:
            return
        key = self.time.strftime("%Y-%m")
        if key not in self.bought:
            self.bought.add(key)
            self.market_on_open_order(self.spy, 5000 // data.bars[self.spy].close)
