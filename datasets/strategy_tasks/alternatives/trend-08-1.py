from AlgorithmImports import *


class ClassicLongShort(QCAlgorithm):
    """Classic form: one method per market, called by a schedule after each close."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(250_000)
        self.means = {}
        for ticker in ("SPY", "EEM"):
            symbol = self.add_equity(ticker, Resolution.DAILY).symbol
            self.means[symbol] = self.sma(symbol, 50)
        self.set_warm_up(50, Resolution.DAILY)
        self.schedule.on(self.date_rules.every_day("SPY"), self.time_rules.at(17, 0), self.rebalance)

    def rebalance(self) -> None:
        if self.is_warming_up:
            return
        for symbol, mean in self.means.items():
            above = self.securities[symbol].close > mean.current.value
            quantity = self.portfolio[symbol].quantity
            if above and quantity <= 0:
                self.set_holdings(symbol, 0.4)
            elif not above and quantity >= 0:
                self.set_holdings(symbol, -0.4)
