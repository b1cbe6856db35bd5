from AlgorithmImports import *


class ScheduledIntraday(QCAlgorithm):
    """Three scheduled events; the opening price comes from the minute history of the session."""

    def initialize(self) -> None:
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.MINUTE).symbol
        every_day = self.date_rules.every_day(self.spy)
        self.schedule.on(every_day, self.time_rules.at(10, 0), self.enter)
        self.schedule.on(every_day, self.time_rules.before_market_close(self.spy, 15), self.leave)

    def enter(self) -> None:
        bars = self.history(self.spy, 30, Resolution.MINUTE)
        if bars["close"].iloc[-1] > bars["open"].iloc[0]:
            self.set_holdings(self.spy, 0.8)

    def leave(self) -> None:
        self.liquidate(self.spy)
