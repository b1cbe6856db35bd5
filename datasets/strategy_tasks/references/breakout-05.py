from AlgorithmImports import *


class EmaChannelBreakout(QCAlgorithm):
    """Buys IWM above a channel of ATRs round its EMA."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self._iwm = self.add_equity("IWM", Resolution.DAILY).symbol
        self._centre = self.ema(self._iwm, 20, Resolution.DAILY)
        self._range = self.atr(self._iwm, 20, MovingAverageType.WILDERS, Resolution.DAILY)
        self.set_warm_up(200, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._iwm not in data.bars:
            return
        close = data.bars[self._iwm].close
        centre = self._centre.current.value
        if self.portfolio[self._iwm].invested:
            if close < centre:
                self.liquidate(self._iwm)
        elif close > centre + 1.5 * self._range.current.value:
            self.set_holdings(self._iwm, 1)
