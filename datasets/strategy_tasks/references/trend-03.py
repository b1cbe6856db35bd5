from AlgorithmImports import *


class MacdReversal(QCAlgorithm):
    """Turns GOOG round at each crossing of the MACD and its signal line."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self._goog = self.add_equity("GOOG", Resolution.DAILY).symbol
        self._macd = self.macd(self._goog, 12, 26, 9, MovingAverageType.EXPONENTIAL, Resolution.DAILY)
        self._was_above: bool | None = None
        self.set_warm_up(150, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._goog not in data.bars or not self._macd.is_ready:
            return
        is_above = self._macd.current.value > self._macd.signal.current.value
        crossed = self._was_above is not None and is_above != self._was_above
        self._was_above = is_above
        if crossed and not self.is_warming_up:
            self.set_holdings(self._goog, 0.5 if is_above else -0.5)
