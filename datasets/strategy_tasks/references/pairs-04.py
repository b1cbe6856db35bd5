from AlgorithmImports import *


class RelativeStrengthSpread(QCAlgorithm):
    """Long the stronger, short the weaker of QQQ and SPY, as their ratio trends."""

    _WEIGHT = 0.45

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self._qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self._average = SimpleMovingAverage(50)
        self._side = 0
        self.set_warm_up(50, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._qqq not in data.bars or self._spy not in data.bars:
            return
        ratio = data.bars[self._qqq].close / data.bars[self._spy].close
        self._average.update(self.time, ratio)
        if self.is_warming_up or not self._average.is_ready or ratio == self._average.current.value:
            return
        side = 1 if ratio > self._average.current.value else -1
        if side != self._side:
            self._side = side
            weight = side * self._WEIGHT
            self.set_holdings([PortfolioTarget(self._qqq, weight), PortfolioTarget(self._spy, -weight)])
