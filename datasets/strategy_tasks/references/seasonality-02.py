from AlgorithmImports import *


class SellInMay(QCAlgorithm):
    """Owns SPY in the winter half of the year."""

    _WINTER = frozenset((11, 12, 1, 2, 3, 4))

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol

    def on_data(self, data: Slice) -> None:
        if self._spy not in data.bars:
            return
        winter = self.time.month in self._WINTER
        if winter and not self.portfolio.invested:
            self.set_holdings(self._spy, 1)
        elif not winter and self.portfolio.invested:
            self.liquidate(self._spy)
