from AlgorithmImports import *


class HourlyOpeningBreakout(QCAlgorithm):
    """Buys SPY above the high of the day's first bar and sells at three in the afternoon."""

    _ENTRY_HOURS = (11, 12, 13)
    _EXIT_HOUR = 15

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 3, 31)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.HOUR).symbol
        self._reference_high: float | None = None

    def on_data(self, data: Slice) -> None:
        bar = data.bars.get(self._spy)
        if bar is None:
            return
        hour = bar.end_time.hour
        if hour == 10:
            self._reference_high = bar.high
        elif hour == self._EXIT_HOUR:
            self.liquidate(self._spy)
            self._reference_high = None
        elif hour in self._ENTRY_HOURS and self._reference_high is not None and not self.portfolio.invested:
            if bar.close > self._reference_high:
                self.set_holdings(self._spy, 1)
