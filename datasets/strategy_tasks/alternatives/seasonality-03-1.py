from AlgorithmImports import *


class WeekdaySchedule(QCAlgorithm):
    """Date rules for the two weekdays; market-on-open orders, sent in the evening."""

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(50_000)
        self.settings.seed_initial_prices = True
        self.qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self.schedule.on(self.date_rules.every(DayOfWeek.MONDAY), self.time_rules.at(18, 0), self.enter)
        self.schedule.on(self.date_rules.every(DayOfWeek.THURSDAY), self.time_rules.at(18, 0), self.leave)

    def traded_today(self) -> bool:
        hours = self.securities[self.qqq].exchange.hours
        return hours.is_date_open(self.time)

    def enter(self) -> None:
        if self.traded_today() and not self.portfolio.invested:
            self.market_on_open_order(self.qqq, 100)

    def leave(self) -> None:
        if self.traded_today() and self.portfolio.invested:
            self.market_on_open_order(self.qqq, -100)
