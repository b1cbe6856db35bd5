from AlgorithmImports import *


class MonthlyOnData(QCAlgorithm):
    """The first bar of each month, share counts by hand, sales before purchases."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self.shares = {self.add_equity(t, Resolution.DAILY).symbol: w for t, w in (("SPY", 0.6), ("EEM", 0.4))}
        self.last = None

    def on_data(self, data: Slice) -> None:
        month = (self.time.year, self.time.month)
        if month == self.last or data.bars.count < 2:
            return
        self.last = month
        value = self.portfolio.total_portfolio_value
        changes = {}
        for symbol, weight in self.shares.items():
            wanted = int(value * weight * 0.995 / data.bars[symbol].close)
            changes[symbol] = wanted - self.portfolio[symbol].quantity
        for symbol, change in sorted(changes.items(), key=lambda item: item[1]):
            if change:
                self.market_on_open_order(symbol, change)
