from AlgorithmImports import *


class DollarCostAveraging(QCAlgorithm):
    """Adds the same amount of SPY at the start of each month."""

    _MONTHLY_DOLLARS = 5_000

    def initialize(self) -> None:
        self.set_start_date(2013, 1, 1)
        self.set_end_date(2013, 12, 31)
        self.set_cash(100_000)
        self.settings.seed_initial_prices = True
        self._spy = self.add_equity("SPY", Resolution.DAILY)
        self.schedule.on(self.date_rules.month_start(self._spy.symbol), self.time_rules.at(16, 30), self._buy)

    def _buy(self) -> None:
        shares = int(self._MONTHLY_DOLLARS / self._spy.price)
        self.market_order(self._spy.symbol, shares)
