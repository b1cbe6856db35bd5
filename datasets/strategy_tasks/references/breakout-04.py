from AlgorithmImports import *


class BollingerSqueeze(QCAlgorithm):
    """Buys IBM when it leaves the narrowest bands of forty days upwards."""

    _LOOKBACK = 40

    def initialize(self) -> None:
        self.set_start_date(2013, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self._ibm = self.add_equity("IBM", Resolution.DAILY).symbol
        self._bands = self.bb(self._ibm, 20, 2, MovingAverageType.SIMPLE, Resolution.DAILY)
        self._widths = RollingWindow[float](self._LOOKBACK)
        self.set_warm_up(20 + self._LOOKBACK + 5, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._ibm not in data.bars or not self._bands.is_ready:
            return
        middle = self._bands.middle_band.current.value
        squeezed = self._widths.is_ready and self._widths[0] <= min(self._widths)
        self._widths.add((self._bands.upper_band.current.value - self._bands.lower_band.current.value) / middle)
        if self.is_warming_up:
            return
        close = data.bars[self._ibm].close
        if self.portfolio[self._ibm].invested:
            if close < middle:
                self.liquidate(self._ibm)
        elif squeezed and close > middle:
            self.set_holdings(self._ibm, 0.6)
