from AlgorithmImports import *


class NewHighs(QCAlgorithm):
    """Buys QQQ at a 50-day closing high and holds it for fifteen trading days."""

    _HOLD_BARS = 15

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self._qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self._high = self.max(self._qqq, 50, Resolution.DAILY, Field.CLOSE)
        self._bars_held = 0
        self.set_warm_up(50, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._qqq not in data.bars:
            return
        if self.portfolio[self._qqq].invested:
            self._bars_held += 1
            if self._bars_held == self._HOLD_BARS:
                self.liquidate(self._qqq)
        elif data.bars[self._qqq].close >= self._high.current.value:
            self._bars_held = 0
            self.set_holdings(self._qqq, 0.95)
