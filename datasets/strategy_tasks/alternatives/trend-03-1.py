from AlgorithmImports import *


class MacdFromAverages(QCAlgorithm):
    """The MACD built from three exponential averages, fed in a consolidator's handler."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self.goog = self.add_equity("GOOG", Resolution.DAILY).symbol
        self.fast = ExponentialMovingAverage(12)
        self.slow = ExponentialMovingAverage(26)
        self.signal = ExponentialMovingAverage(9)
        self.previous = None
        for bar in self.history[TradeBar](self.goog, 200, Resolution.DAILY):
            self.gap(bar)
        self.consolidate(self.goog, Resolution.DAILY, self.on_day)

    def gap(self, bar: TradeBar) -> float | None:
        self.fast.update(bar.end_time, bar.close)
        self.slow.update(bar.end_time, bar.close)
        if not self.slow.is_ready:
            return None
        line = self.fast.current.value - self.slow.current.value
        self.signal.update(bar.end_time, line)
        self.previous, before = line - self.signal.current.value, self.previous
        return before

    def on_day(self, bar: TradeBar) -> None:
        before = self.gap(bar)
        if before is None:
            return
        if before <= 0 < self.previous:
            self.set_holdings(self.goog, 0.5)
        elif before >= 0 > self.previous:
            self.set_holdings(self.goog, -0.5)
