from AlgorithmImports import *


class WeeklyMomentum(QCAlgorithm):
    """Long or short GOOG by the sign of its 60-day momentum, decided once a week."""

    def initialize(self) -> None:
        self.set_start_date(2018, 1, 1)
        self.set_end_date(2018, 12, 31)
        self.set_cash(100_000)
        self._goog = self.add_equity("GOOG", Resolution.DAILY).symbol
        self._momentum = self.mom(self._goog, 60, Resolution.DAILY)
        self.set_warm_up(61, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.week_start(self._goog), self.time_rules.after_market_open(self._goog, 10), self._decide
        )

    def _decide(self) -> None:
        if self.is_warming_up or not self._momentum.is_ready:
            return
        self.set_holdings(self._goog, 0.5 if self._momentum.current.value > 0 else -0.5)
