from AlgorithmImports import *


class ParabolicTrend(QCAlgorithm):
    """Owns QQQ while it closes above its parabolic stop."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self._qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self._sar = self.psar(self._qqq, 0.02, 0.02, 0.2, Resolution.DAILY)
        self.set_warm_up(100, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._qqq not in data.bars:
            return
        is_above = data.bars[self._qqq].close > self._sar.current.value
        if is_above and not self.portfolio.invested:
            self.set_holdings(self._qqq, 0.95)
        elif not is_above and self.portfolio.invested:
            self.liquidate(self._qqq)
