from AlgorithmImports import *


class StochasticSwing(QCAlgorithm):
    """Swings in WM from oversold to overbought, for at most twenty-five trading days."""

    _MAXIMUM_BARS = 25

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(10_000)
        self._wm = self.add_equity("WM", Resolution.DAILY).symbol
        self._stochastic = self.sto(self._wm, 14, 3, 3, Resolution.DAILY)
        self._bars_held = 0
        self.set_warm_up(40, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._wm not in data.bars:
            return
        k = self._stochastic.stoch_k.current.value
        if self.portfolio[self._wm].invested:
            self._bars_held += 1
            if k > 80 or self._bars_held >= self._MAXIMUM_BARS:
                self.liquidate(self._wm)
        elif k < 20:
            self._bars_held = 0
            self.set_holdings(self._wm, 1)
