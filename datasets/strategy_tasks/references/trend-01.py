from AlgorithmImports import *


class AppleEmaCross(QCAlgorithm):
    """Holds AAPL while its 10-day EMA is above its 30-day EMA."""

    def initialize(self) -> None:
        self.set_start_date(2013, 1, 1)
        self.set_end_date(2013, 12, 31)
        self.set_cash(100_000)
        self._aapl = self.add_equity("AAPL", Resolution.DAILY).symbol
        self._fast = self.ema(self._aapl, 10, Resolution.DAILY)
        self._slow = self.ema(self._aapl, 30, Resolution.DAILY)
        self.set_warm_up(120, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._aapl not in data.bars:
            return
        invested = self.portfolio[self._aapl].invested
        if self._fast.current.value > self._slow.current.value:
            if not invested:
                self.set_holdings(self._aapl, 1)
        elif invested:
            self.liquidate(self._aapl)
