import math

from AlgorithmImports import *


class VolatilityTarget(QCAlgorithm):
    """Holds as much SPY as brings the account to a volatility of ten percent a year."""

    _TARGET = 0.10

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self._deviation = IndicatorExtensions.of(StandardDeviation(20), self.roc(self._spy, 1, Resolution.DAILY))
        self.set_warm_up(30, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.month_start(self._spy), self.time_rules.after_market_open(self._spy, 1), self._rebalance
        )

    def _rebalance(self) -> None:
        if self.is_warming_up or not self._deviation.is_ready:
            return
        volatility = self._deviation.current.value * math.sqrt(252)
        self.set_holdings(self._spy, min(1.0, self._TARGET / volatility))
