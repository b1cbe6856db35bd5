from AlgorithmImports import *


class AroonTrend(QCAlgorithm):
    """Buys EEM when new highs are recent and new lows are old."""

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(100_000)
        self._eem = self.add_equity("EEM", Resolution.DAILY).symbol
        self._aroon = self.aroon(self._eem, 25)
        self.set_warm_up(30, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._eem not in data.bars or not self._aroon.is_ready:
            return
        up = self._aroon.aroon_up.current.value
        down = self._aroon.aroon_down.current.value
        if not self.portfolio.invested and up > 70 and down < 30:
            self.set_holdings(self._eem, 1.0)
        elif self.portfolio.invested and down > up:
            self.liquidate()
