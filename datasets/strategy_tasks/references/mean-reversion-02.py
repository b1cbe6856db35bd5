from AlgorithmImports import *


class BollingerReversion(QCAlgorithm):
    """Buys IBM under its lower Bollinger Band and sells above the middle one."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self._ibm = self.add_equity("IBM", Resolution.DAILY).symbol
        self._bands = self.bb(self._ibm, 20, 2)
        self.set_warm_up(20, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or not data.bars.contains_key(self._ibm):
            return
        close = data.bars[self._ibm].close
        if not self.portfolio[self._ibm].invested:
            if close < self._bands.lower_band.current.value:
                self.set_holdings(self._ibm, 0.95)
        elif close > self._bands.middle_band.current.value:
            self.liquidate(self._ibm)
