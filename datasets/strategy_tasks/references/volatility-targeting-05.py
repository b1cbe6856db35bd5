from AlgorithmImports import *


class CalmAndRising(QCAlgorithm):
    """Owns IWM while it rises calmly."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self._iwm = self.add_equity("IWM", Resolution.DAILY).symbol
        self._atr = self.atr(self._iwm, 14, MovingAverageType.WILDERS, Resolution.DAILY)
        self._average = self.sma(self._iwm, 50, Resolution.DAILY)
        self.set_warm_up(120, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._iwm not in data.bars:
            return
        close = data.bars[self._iwm].close
        relative_range = self._atr.current.value / close
        rising = close > self._average.current.value
        if self.portfolio.invested:
            if relative_range > 0.016 or not rising:
                self.liquidate(self._iwm)
        elif relative_range < 0.012 and rising:
            self.set_holdings(self._iwm, 0.95)
