from AlgorithmImports import *


class CoreSatellite(QCAlgorithm):
    """A core of SPY and a satellite of QQQ that is owned only in an uptrend."""

    def initialize(self) -> None:
        self.set_start_date(2015, 6, 1)
        self.set_end_date(2016, 5, 31)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self._qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self._average = self.sma(self._qqq, 100, Resolution.DAILY)
        self.set_warm_up(100, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.month_start(self._spy), self.time_rules.after_market_open(self._spy, 1), self._rebalance
        )

    def _rebalance(self) -> None:
        if self.is_warming_up or not self._average.is_ready:
            return
        uptrend = self.securities[self._qqq].price > self._average.current.value
        self.set_holdings([PortfolioTarget(self._spy, 0.7), PortfolioTarget(self._qqq, 0.3 if uptrend else 0)])
