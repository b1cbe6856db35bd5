from AlgorithmImports import *


class MonthEndSchedule(QCAlgorithm):
    """Two scheduled events, in the evening: the month's last trading day, and two trading days after its first."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self.settings.seed_initial_prices = True
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        evening = self.time_rules.at(17, 0)
        self.schedule.on(self.date_rules.month_end(self.spy), evening, self.buy)
        self.schedule.on(self.date_rules.month_start(self.spy, 2), evening, self.sell)

    def buy(self) -> None:
        quantity = self.calculate_order_quantity(self.spy, 0.95)
        self.market_on_open_order(self.spy, quantity)

    def sell(self) -> None:
        if self.portfolio[self.spy].invested:
            self.market_on_open_order(self.spy, -self.portfolio[self.spy].quantity)
