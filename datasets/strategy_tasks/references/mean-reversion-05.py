from AlgorithmImports import *


class TrendPullback(QCAlgorithm):
    """Buys short-term weakness of IWM inside a long-term uptrend; leaves on strength or after ten trading days."""

    _MAXIMUM_BARS = 10

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(100_000)
        self._iwm = self.add_equity("IWM", Resolution.DAILY).symbol
        self._trend = self.sma(self._iwm, 200)
        self._percent_r = self.wilr(self._iwm, 10)
        self._bars_held = 0
        self.set_warm_up(200, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._iwm not in data.bars:
            return
        percent_r = self._percent_r.current.value
        if self.portfolio[self._iwm].invested:
            self._bars_held += 1
            if percent_r > -30 or self._bars_held >= self._MAXIMUM_BARS:
                self.liquidate(self._iwm)
        elif data.bars[self._iwm].close > self._trend.current.value and percent_r < -90:
            self.set_holdings(self._iwm, 0.95)
            self._bars_held = 0
