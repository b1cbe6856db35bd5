from AlgorithmImports import *


class SwitchWithPandas(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self.settings.seed_initial_prices = True
        self.qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.schedule.on(self.date_rules.month_start("QQQ"), self.time_rules.at(9, 45), self.switch)

    def switch(self) -> None:
        closes = self.history([self.qqq, self.spy], 100, Resolution.DAILY)["close"].unstack(level=0)
        ratio = closes.iloc[:, 0] / closes.iloc[:, 1]
        if str(closes.columns[0]).startswith("SPY"):
            ratio = 1 / ratio
        chosen, other = (self.qqq, self.spy) if ratio.iloc[-1] > ratio.mean() else (self.spy, self.qqq)
        if self.portfolio[other].invested:
            self.liquidate(other)
        if not self.portfolio[chosen].invested:
            self.set_holdings(chosen, 0.98)
