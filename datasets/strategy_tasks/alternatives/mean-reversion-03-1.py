import numpy as np
from AlgorithmImports import *


class FadeApple(QCAlgorithm):
    """z-score from a rolling window in numpy; orders are sized by hand from the portfolio's value."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(50_000)
        self.aapl = self.add_equity("AAPL", Resolution.DAILY).symbol
        self.window = RollingWindow[float](20)
        self.set_warm_up(timedelta(days=45))

    def on_data(self, data: Slice) -> None:
        if not data.contains_key(self.aapl) or data[self.aapl] is None:
            return
        price = float(data[self.aapl].close)
        self.window.add(price)
        if self.is_warming_up or not self.window.is_ready:
            return
        closes = np.array(list(self.window))
        z = (price - closes.mean()) / closes.std()
        quantity = self.portfolio[self.aapl].quantity
        if quantity == 0:
            shares = int(self.portfolio.total_portfolio_value * 0.498 / price)
            if z < -2:
                self.market_order(self.aapl, shares)
            elif z > 2:
                self.market_order(self.aapl, -shares)
        elif quantity > 0 and z > 0:
            self.market_order(self.aapl, -quantity)
        elif quantity < 0 and z < 0:
            self.market_order(self.aapl, -quantity)
