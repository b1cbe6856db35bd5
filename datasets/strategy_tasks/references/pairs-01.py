import numpy as np
from AlgorithmImports import *


class RatioPair(QCAlgorithm):
    """Trades SPY against IWM when their ratio is far from its mean of sixty days."""

    _LOOKBACK = 60
    _WEIGHT = 0.4

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self._iwm = self.add_equity("IWM", Resolution.DAILY).symbol
        self._ratios = RollingWindow[float](self._LOOKBACK)
        self.set_warm_up(self._LOOKBACK, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._spy not in data.bars or self._iwm not in data.bars:
            return
        self._ratios.add(data.bars[self._spy].close / data.bars[self._iwm].close)
        if self.is_warming_up or not self._ratios.is_ready:
            return
        ratios = np.array(list(self._ratios))
        z = (ratios[0] - ratios.mean()) / ratios.std()
        if self.portfolio.invested:
            if abs(z) < 0.5:
                self.liquidate()
        elif abs(z) > 2:
            side = -1 if z > 0 else 1
            self.set_holdings(self._spy, side * self._WEIGHT)
            self.set_holdings(self._iwm, -side * self._WEIGHT)
