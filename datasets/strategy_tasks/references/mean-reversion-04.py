from AlgorithmImports import *


class ThreeDownDays(QCAlgorithm):
    """Buys QQQ after three lower closes in a row, sells at the first higher one."""

    def initialize(self) -> None:
        self.set_start_date(2013, 1, 1)
        self.set_end_date(2013, 12, 31)
        self.set_cash(100_000)
        self._qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self._closes = RollingWindow[float](4)
        self.set_warm_up(4, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._qqq not in data.bars:
            return
        self._closes.add(data.bars[self._qqq].close)
        if self.is_warming_up or not self._closes.is_ready:
            return
        fell = [self._closes[day] < self._closes[day + 1] for day in range(3)]
        if not self.portfolio.invested:
            if all(fell):
                self.set_holdings(self._qqq, 1)
        elif self._closes[0] > self._closes[1]:
            self.liquidate()
