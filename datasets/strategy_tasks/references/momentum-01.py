from AlgorithmImports import *


class TimeSeriesMomentum(QCAlgorithm):
    """Decides at the start of each month whether SPY's trend of one year is up."""

    def initialize(self) -> None:
        self.set_start_date(2015, 6, 1)
        self.set_end_date(2016, 8, 31)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self._momentum = self.roc(self._spy, 252, Resolution.DAILY)
        self.set_warm_up(253, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.month_start(self._spy), self.time_rules.after_market_open(self._spy, 1), self._rebalance
        )

    def _rebalance(self) -> None:
        if self.is_warming_up or not self._momentum.is_ready:
            return
        invested = self.portfolio[self._spy].invested
        if self._momentum.current.value > 0:
            if not invested:
                self.set_holdings(self._spy, 1)
        elif invested:
            self.liquidate(self._spy)
