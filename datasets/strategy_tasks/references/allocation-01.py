from AlgorithmImports import *


class SixtyForty(QCAlgorithm):
    """Sixty percent SPY and forty percent EEM, set anew each month."""

    _WEIGHTS = {"SPY": 0.6, "EEM": 0.4}

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self.settings.seed_initial_prices = True
        for ticker in self._WEIGHTS:
            self.add_equity(ticker, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.month_start("SPY"), self.time_rules.after_market_open("SPY", 1), self._rebalance
        )

    def _rebalance(self) -> None:
        self.set_holdings([PortfolioTarget(self.symbol(ticker), weight) for ticker, weight in self._WEIGHTS.items()])
