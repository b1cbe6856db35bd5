from AlgorithmImports import *


class MinuteAverages(QCAlgorithm):
    """Owns SPY while the average of a quarter of an hour is above that of an hour."""

    def initialize(self) -> None:
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.MINUTE).symbol
        self._fast = self.sma(self._spy, 15)
        self._slow = self.sma(self._spy, 60)

    def on_data(self, data: Slice) -> None:
        if self._spy not in data.bars or not self._slow.is_ready:
            return
        rising = self._fast.current.value > self._slow.current.value
        if rising and not self.portfolio.invested:
            self.market_order(self._spy, 500)
        elif not rising and self.portfolio.invested:
            self.market_order(self._spy, -500)
