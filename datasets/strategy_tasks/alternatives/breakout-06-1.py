from AlgorithmImports import *


class BacVolume(QCAlgorithm):
    """Indicators over closes and volume, read before today's bar reaches them."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(50_000)
        self.bac = self.add_equity("BAC", Resolution.DAILY).symbol
        self.top = Maximum(20)
        self.usual_volume = SimpleMovingAverage(20)
        for bar in self.history[TradeBar](self.bac, 20, Resolution.DAILY):
            self.top.update(bar.end_time, bar.close)
            self.usual_volume.update(bar.end_time, bar.volume)
        self.days = 0

    def on_data(self, data: Slice) -> None:
        if not data.bars.contains_key(self.bac):
            return
        bar = data.bars[self.bac]
        breakout = bar.close > self.top.current.value and bar.volume > self.usual_volume.current.value * 1.5
        self.top.update(bar.end_time, bar.close)
        self.usual_volume.update(bar.end_time, bar.volume)
        if self.portfolio.invested:
            self.days += 1
            if self.days >= 5:
                self.liquidate()
        elif breakout:
            self.days = 0
            self.market_on_open_order(self.bac, round(20000 / bar.close))
