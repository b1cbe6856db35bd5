from AlgorithmImports import *


class RsiMomentum(QCAlgorithm):
    """Buys SPY when its RSI gains strength in an uptrend, sells when the strength is gone."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self._rsi = self.rsi(self._spy, 14, MovingAverageType.WILDERS, Resolution.DAILY)
        self._fast = self.sma(self._spy, 20, Resolution.DAILY)
        self._slow = self.sma(self._spy, 50, Resolution.DAILY)
        self._last_rsi: float | None = None
        self.set_warm_up(150, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._spy not in data.bars or not self._rsi.is_ready:
            return
        rsi, before = self._rsi.current.value, self._last_rsi
        self._last_rsi = rsi
        if self.is_warming_up or before is None:
            return
        if self.portfolio.invested:
            if before >= 45 > rsi:
                self.liquidate(self._spy)
        elif before <= 55 < rsi and self._fast.current.value > self._slow.current.value:
            self.set_holdings(self._spy, 0.95)
