from AlgorithmImports import *


class MovingMeanByDeque(QCAlgorithm):
    """Keeps its own sum of a hundred closes; the order goes out as market-on-open."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self.qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        frame = self.history(self.qqq, 100, Resolution.DAILY)
        self.closes = list(frame["close"])

    def on_data(self, data: Slice) -> None:
        if self.qqq not in data.bars:
            return
        price = data.bars[self.qqq].close
        self.closes = [*self.closes[-99:], price]
        mean = sum(self.closes) / len(self.closes)
        shares = self.portfolio[self.qqq].quantity
        if price > mean and shares == 0:
            self.market_on_open_order(self.qqq, self.calculate_order_quantity(self.qqq, 0.95))
        elif price < mean and shares > 0:
            self.market_on_open_order(self.qqq, -shares)
