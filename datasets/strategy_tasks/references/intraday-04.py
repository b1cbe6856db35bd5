from AlgorithmImports import *


class HourlyDip(QCAlgorithm):
    """Buys hourly weakness of SPY; leaves on strength or after two days of bars."""

    _MAXIMUM_BARS = 14

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 6, 30)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.HOUR).symbol
        self._rsi = self.rsi(self._spy, 7, MovingAverageType.WILDERS, Resolution.HOUR)
        self._bars_held = 0
        self.set_warm_up(100, Resolution.HOUR)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._spy not in data.bars:
            return
        if self.portfolio[self._spy].invested:
            self._bars_held += 1
            if self._rsi.current.value > 60 or self._bars_held >= self._MAXIMUM_BARS:
                self.liquidate(self._spy)
        elif self._rsi.current.value < 25:
            self._bars_held = 0
            self.set_holdings(self._spy, 0.95)
