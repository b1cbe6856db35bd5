from AlgorithmImports import *


class HedgeInTwoOrders(QCAlgorithm):
    """Evening of the month's first trading day, one order for each difference."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self.settings.seed_initial_prices = True
        self.weights = {"SPY": 0.8, "IWM": -0.3}
        for ticker in self.weights:
            self.add_equity(ticker, Resolution.DAILY)
        self.schedule.on(self.date_rules.month_start("SPY"), self.time_rules.at(18, 30), self.restore)

    def restore(self) -> None:
        for ticker, weight in self.weights.items():
            change = self.calculate_order_quantity(ticker, weight)
            if change:
                self.market_on_open_order(ticker, change)
