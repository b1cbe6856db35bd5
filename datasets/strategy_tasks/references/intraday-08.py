from AlgorithmImports import *


class VwapReversion(QCAlgorithm):
    """Buys SPY under its rolling VWAP and sells above it."""

    _DISCOUNT = 0.0015

    def initialize(self) -> None:
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.MINUTE).symbol
        self._vwap = self.vwap(self._spy, 60)

    def on_data(self, data: Slice) -> None:
        bar = data.bars.get(self._spy)
        if bar is None or not self._vwap.is_ready:
            return
        fair = self._vwap.current.value
        if self.portfolio.invested:
            if bar.close > fair:
                self.liquidate(self._spy)
        elif bar.close < fair * (1 - self._DISCOUNT):
            self.set_holdings(self._spy, 0.5)
