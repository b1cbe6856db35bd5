from AlgorithmImports import *


class ClockInOnData(QCAlgorithm):
    """Reads the clock in on_data and trades with limit orders a little beyond the price, which fill at once."""

    def initialize(self) -> None:
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(50_000)
        self.spy = self.add_equity("SPY", Resolution.MINUTE).symbol

    def on_data(self, data: Slice) -> None:
        if self.spy not in data.bars:
            return
        price = data.bars[self.spy].close
        if self.time.hour == 10 and self.time.minute == 0:
            self.limit_order(self.spy, 100, round(price * 1.002, 2))
        elif self.time.hour == 15 and self.time.minute == 30 and self.portfolio[self.spy].is_long:
            self.limit_order(self.spy, -100, round(price * 0.998, 2))
