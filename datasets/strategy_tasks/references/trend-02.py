from AlgorithmImports import *


class AboveTheAverage(QCAlgorithm):
    """Long QQQ above its 100-day average, cash below."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self._qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self._average = self.sma(self._qqq, 100, Resolution.DAILY)
        self.warm_up_indicator(self._qqq, self._average, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        bar = data.bars.get(self._qqq)
        if bar is None or not self._average.is_ready:
            return
        if bar.close > self._average.current.value and not self.portfolio.invested:
            self.set_holdings(self._qqq, 0.98)
        elif bar.close < self._average.current.value and self.portfolio.invested:
            self.liquidate(self._qqq)
