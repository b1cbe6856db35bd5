import numpy as np
from AlgorithmImports import *


class Spread:
    """The z-score of the price ratio of two legs."""

    def __init__(self, length: int) -> None:
        self._ratios = RollingWindow[float](length)

    @property
    def is_ready(self) -> bool:
        return self._ratios.is_ready

    def add(self, numerator: float, denominator: float) -> None:
        self._ratios.add(numerator / denominator)

    @property
    def z(self) -> float:
        ratios = np.array(list(self._ratios))
        return float((ratios[0] - ratios.mean()) / ratios.std())


class FinancialsArbitrage(QCAlgorithm):
    """Trades BAC against AIG; leaves at the mean, at a stop, or after twenty trading days."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self._bac = self.add_equity("BAC", Resolution.DAILY).symbol
        self._aig = self.add_equity("AIG", Resolution.DAILY).symbol
        self._spread = Spread(40)
        self._bars_held = 0
        self.set_warm_up(40, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._bac not in data.bars or self._aig not in data.bars:
            return
        self._spread.add(data.bars[self._bac].close, data.bars[self._aig].close)
        if self.is_warming_up or not self._spread.is_ready:
            return
        z = self._spread.z
        if self.portfolio.invested:
            self._bars_held += 1
            if abs(z) < 0.25 or abs(z) > 3.5 or self._bars_held >= 20:
                self.liquidate()
        elif abs(z) > 2:
            self._bars_held = 0
            weight = -0.3 if z > 0 else 0.3
            self.set_holdings(self._bac, weight)
            self.set_holdings(self._aig, -weight)
