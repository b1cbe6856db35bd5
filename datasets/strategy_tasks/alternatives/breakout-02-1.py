from AlgorithmImports import *


class FiftyDayHigh(QCAlgorithm):
    """Closes in a window of floats; the exit is counted from the bar of the fill."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self.qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self.closes = RollingWindow[float](50)
        self.bars_left = 0
        for bar in self.history[TradeBar](self.qqq, 50, Resolution.DAILY):
            self.closes.add(bar.close)

    def on_data(self, data: Slice) -> None:
        bar = data.bars.get(self.qqq)
        if bar is None:
            return
        self.closes.add(bar.close)
        if self.bars_left:
            self.bars_left -= 1
            if self.bars_left == 0:
                self.market_on_open_order(self.qqq, -self.portfolio[self.qqq].quantity)
        elif not self.portfolio.invested and bar.close == max(self.closes):
            self.set_holdings(self.qqq, 0.9)
            self.bars_left = 15
