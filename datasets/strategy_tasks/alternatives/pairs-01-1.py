from AlgorithmImports import *


class RatioIndicator(QCAlgorithm):
    """The ratio as a composed indicator; mean and deviation are chained to it."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.iwm = self.add_equity("IWM", Resolution.DAILY).symbol
        self.mean = SimpleMovingAverage(60)
        self.deviation = StandardDeviation(60)
        self.set_warm_up(timedelta(days=100))

    def on_data(self, data: Slice) -> None:
        if not (data.bars.contains_key(self.spy) and data.bars.contains_key(self.iwm)):
            return
        ratio = data.bars[self.spy].close / data.bars[self.iwm].close
        self.mean.update(self.time, ratio)
        self.deviation.update(self.time, ratio)
        if self.is_warming_up or not self.deviation.is_ready:
            return
        z = (ratio - self.mean.current.value) / self.deviation.current.value
        invested = self.portfolio[self.spy].invested
        if not invested and z > 2:
            self.set_holdings([PortfolioTarget(self.spy, -0.4), PortfolioTarget(self.iwm, 0.4)])
        elif not invested and z < -2:
            self.set_holdings([PortfolioTarget(self.spy, 0.4), PortfolioTarget(self.iwm, -0.4)])
        elif invested and abs(z) < 0.5:
            self.liquidate(self.spy)
            self.liquidate(self.iwm)
