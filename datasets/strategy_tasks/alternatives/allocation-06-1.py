from AlgorithmImports import *


class SatelliteByHistory(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2015, 6, 1)
        self.set_end_date(2016, 5, 31)
        self.set_cash(100_000)
        self.settings.seed_initial_prices = True
        self.core = self.add_equity("SPY", Resolution.DAILY).symbol
        self.satellite = self.add_equity("QQQ", Resolution.DAILY).symbol
        self.schedule.on(self.date_rules.month_start("SPY"), self.time_rules.at(9, 35), self.monthly)

    def monthly(self) -> None:
        closes = self.history(self.satellite, 100, Resolution.DAILY)["close"]
        if closes.iloc[-1] > closes.mean():
            self.set_holdings(self.satellite, 0.3)
        elif self.portfolio[self.satellite].invested:
            self.liquidate(self.satellite)
        self.set_holdings(self.core, 0.7)
