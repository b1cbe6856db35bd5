from AlgorithmImports import *


class OilFunds(QCAlgorithm):
    """Sells the rich and buys the cheap one of two oil funds, until their ratio is back at its mean."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self._uso = self.add_equity("USO", Resolution.DAILY).symbol
        self._bno = self.add_equity("BNO", Resolution.DAILY).symbol
        self._mean = SimpleMovingAverage(30)
        self._deviation = StandardDeviation(30)
        self.set_warm_up(30, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._uso not in data.bars or self._bno not in data.bars:
            return
        ratio = data.bars[self._uso].close / data.bars[self._bno].close
        self._mean.update(self.time, ratio)
        self._deviation.update(self.time, ratio)
        if self.is_warming_up or not self._deviation.is_ready:
            return
        z = (ratio - self._mean.current.value) / self._deviation.current.value
        holding = self.portfolio[self._uso]
        if holding.invested:
            if (z >= 0) == holding.is_long:
                self.liquidate()
        elif abs(z) > 2:
            weight = -0.5 if z > 0 else 0.5
            self.set_holdings([PortfolioTarget(self._uso, weight), PortfolioTarget(self._bno, -weight)])
