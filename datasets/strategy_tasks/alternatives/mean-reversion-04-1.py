from AlgorithmImports import *


class DownStreak(QCAlgorithm):
    """The streak from history in a scheduled event, five minutes after the close of each day."""

    def initialize(self) -> None:
        self.set_start_date(2013, 1, 1)
        self.set_end_date(2013, 12, 31)
        self.set_cash(100_000)
        self.settings.seed_initial_prices = True
        self.qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self.schedule.on(self.date_rules.every_day(self.qqq), self.time_rules.at(16, 5), self.decide)

    def decide(self) -> None:
        changes = self.history(self.qqq, 4, Resolution.DAILY)["close"].diff().dropna()
        if len(changes) < 3:
            return
        if self.portfolio[self.qqq].invested:
            if changes.iloc[-1] > 0:
                self.liquidate(self.qqq)
        elif (changes < 0).all():
            self.set_holdings(self.qqq, 0.97)
