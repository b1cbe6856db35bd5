from AlgorithmImports import *


class HedgedEquity(QCAlgorithm):
    """Long large companies, partly hedged with small ones."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self.settings.seed_initial_prices = True
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self._iwm = self.add_equity("IWM", Resolution.DAILY).symbol
        self.schedule.on(
            self.date_rules.month_start(self._spy), self.time_rules.after_market_open(self._spy, 1), self._rebalance
        )

    def _rebalance(self) -> None:
        self.set_holdings([PortfolioTarget(self._spy, 0.8), PortfolioTarget(self._iwm, -0.3)])
