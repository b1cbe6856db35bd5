from AlgorithmImports import *


class MoneyFlow(QCAlgorithm):
    """Buys EEM when money flows in above its average."""

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(40_000)
        self._eem = self.add_equity("EEM", Resolution.DAILY).symbol
        self._flow = self.mfi(self._eem, 14, Resolution.DAILY)
        self._average = self.ema(self._eem, 50, Resolution.DAILY)
        self.set_warm_up(250, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._eem not in data.bars:
            return
        close = data.bars[self._eem].close
        flow, average = self._flow.current.value, self._average.current.value
        if self.portfolio[self._eem].invested:
            if flow < 45 or close < average:
                self.liquidate(self._eem)
        elif flow > 55 and close > average:
            self.set_holdings(self._eem, 0.5)
