from AlgorithmImports import *


class Overnight(QCAlgorithm):
    """Owns SPY from an hour before the close to half an hour after the next open."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 3, 31)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.HOUR).symbol

    def on_data(self, data: Slice) -> None:
        if self._spy not in data.bars:
            return
        if self.time.hour == 15 and not self.portfolio.invested:
            self.set_holdings(self._spy, 0.95)
        elif self.time.hour == 10 and self.portfolio.invested:
            self.liquidate(self._spy)
