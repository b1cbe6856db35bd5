from AlgorithmImports import *


class HourlyTrend(QCAlgorithm):
    """Holds SPY while the faster of two hourly EMAs leads."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 6, 30)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.HOUR).symbol
        self._fast = self.ema(self._spy, 20)
        self._slow = self.ema(self._spy, 60)
        self.set_warm_up(240, Resolution.HOUR)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._spy not in data.bars:
            return
        uptrend = self._fast.current.value > self._slow.current.value
        if uptrend != self.portfolio[self._spy].invested:
            if uptrend:
                self.set_holdings(self._spy, 0.9)
            else:
                self.liquidate(self._spy)
