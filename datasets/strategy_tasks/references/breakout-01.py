from AlgorithmImports import *


class DonchianBreakout(QCAlgorithm):
    """Buys AAPL above the previous 20-day high, sells below the previous 10-day low."""

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(100_000)
        self._aapl = self.add_equity("AAPL", Resolution.DAILY).symbol
        self._highest = self.max(self._aapl, 20, Resolution.DAILY, Field.HIGH)
        self._lowest = self.min(self._aapl, 10, Resolution.DAILY, Field.LOW)
        self._upper: float | None = None
        self._lower: float | None = None
        self.set_warm_up(25, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._aapl not in data.bars or not self._highest.is_ready:
            return
        close = data.bars[self._aapl].close
        if not self.is_warming_up and self._upper is not None:
            if not self.portfolio.invested and close > self._upper:
                self.set_holdings(self._aapl, 0.95)
            elif self.portfolio.invested and close < self._lower:
                self.liquidate(self._aapl)
        # Tomorrow's channel ends today.
        self._upper = self._highest.current.value
        self._lower = self._lowest.current.value
