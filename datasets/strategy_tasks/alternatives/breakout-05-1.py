from AlgorithmImports import *


class ChannelWithOwnIndicators(QCAlgorithm):
    """Own indicator objects, updated in on_data, warmed up by hand."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self.iwm = self.add_equity("IWM", Resolution.DAILY).symbol
        self.mean = ExponentialMovingAverage("centre", 20)
        self.true_range = AverageTrueRange("range", 20, MovingAverageType.WILDERS)
        for bar in self.history[TradeBar](self.iwm, 250, Resolution.DAILY):
            self.mean.update(bar.end_time, bar.close)
            self.true_range.update(bar)

    def on_data(self, data: Slice) -> None:
        if self.iwm not in data.bars:
            return
        bar = data.bars[self.iwm]
        self.mean.update(bar.end_time, bar.close)
        self.true_range.update(bar)
        upper = self.mean.current.value + 1.5 * self.true_range.current.value
        if bar.close > upper and not self.portfolio.invested:
            self.set_holdings(self.iwm, 1.0)
        elif bar.close < self.mean.current.value and self.portfolio.invested:
            self.set_holdings(self.iwm, 0)
