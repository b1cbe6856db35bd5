from AlgorithmImports import *


class AppleRateOfChange(QCAlgorithm):
    """Holds AAPL from a month's gain of five percent until the month's change is negative."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(30_000)
        self._aapl = self.add_equity("AAPL", Resolution.DAILY).symbol
        self._change = self.roc(self._aapl, 20, Resolution.DAILY)
        self.set_warm_up(21, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._aapl not in data.bars:
            return
        change = self._change.current.value
        if not self.portfolio.invested and change > 0.05:
            self.set_holdings(self._aapl, 0.8)
        elif self.portfolio.invested and change < 0:
            self.liquidate(self._aapl)
