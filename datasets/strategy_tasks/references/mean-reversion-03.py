from AlgorithmImports import *


class ZScoreReversion(QCAlgorithm):
    """Fades moves of more than two standard deviations from the 20-day mean, on both sides."""

    _ENTRY = 2.0
    _WEIGHT = 0.5

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(50_000)
        self._symbol = self.add_equity("AAPL", Resolution.DAILY).symbol
        self._mean = self.sma(self._symbol, 20, Resolution.DAILY)
        self._deviation = self.std(self._symbol, 20, Resolution.DAILY)
        self.set_warm_up(20, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._symbol not in data.bars or self._deviation.current.value == 0:
            return
        z = (data.bars[self._symbol].close - self._mean.current.value) / self._deviation.current.value
        holding = self.portfolio[self._symbol]
        if (holding.is_long and z > 0) or (holding.is_short and z < 0):
            self.liquidate(self._symbol)
        elif not holding.invested and abs(z) > self._ENTRY:
            self.set_holdings(self._symbol, -self._WEIGHT if z > 0 else self._WEIGHT)
