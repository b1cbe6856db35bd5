from AlgorithmImports import *


class OvernightSchedule(QCAlgorithm):
    """The same by two scheduled events relative to the session."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 3, 31)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.HOUR).symbol
        days = self.date_rules.every_day(self.spy)
        self.schedule.on(days, self.time_rules.at(15, 5), self.buy)
        self.schedule.on(days, self.time_rules.after_market_open(self.spy, 30), self.sell)

    def buy(self) -> None:
        if self.is_market_open(self.spy) and not self.portfolio.invested:
            self.market_order(self.spy, self.calculate_order_quantity(self.spy, 0.95))

    def sell(self) -> None:
        self.liquidate(self.spy)
