from AlgorithmImports import *


class YearlyReturn(QCAlgorithm):
    """Watches for the first bar of a month in on_data and asks history for the year's return."""

    def initialize(self) -> None:
        self.set_start_date(2015, 6, 1)
        self.set_end_date(2016, 8, 31)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.month = None

    def on_data(self, data: Slice) -> None:
        if self.spy not in data.bars or self.time.month == self.month:
            return
        self.month = self.time.month
        closes = self.history(self.spy, 253, Resolution.DAILY).loc[self.spy]["close"]
        self.set_holdings(self.spy, 0.99 if closes.iloc[-1] > closes.iloc[0] else 0)
