from AlgorithmImports import *


class TenToHalfPastThree(QCAlgorithm):
    """Owns a hundred SPY from ten in the morning to half past three."""

    def initialize(self) -> None:
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(50_000)
        self._spy = self.add_equity("SPY", Resolution.MINUTE).symbol
        every_day = self.date_rules.every_day(self._spy)
        self.schedule.on(every_day, self.time_rules.at(10, 0), lambda: self.market_order(self._spy, 100))
        self.schedule.on(every_day, self.time_rules.at(15, 30), lambda: self.liquidate(self._spy))
