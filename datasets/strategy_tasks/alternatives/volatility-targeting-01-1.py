import numpy as np
from AlgorithmImports import *


class TenPercentVolatility(QCAlgorithm):
    """Sample deviation of log returns from history; the order is the difference to the wanted shares."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self.settings.seed_initial_prices = True
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.schedule.on(self.date_rules.month_start("SPY"), self.time_rules.at(10, 0), self.resize)

    def resize(self) -> None:
        closes = self.history(self.spy, 21, Resolution.DAILY)["close"].to_numpy()
        volatility = np.diff(np.log(closes)).std(ddof=1) * np.sqrt(252)
        weight = min(1.0, 0.10 / volatility)
        wanted = int(self.portfolio.total_portfolio_value * weight * 0.9975 / closes[-1])
        difference = wanted - self.portfolio[self.spy].quantity
        if difference:
            self.market_on_open_order(self.spy, difference)
