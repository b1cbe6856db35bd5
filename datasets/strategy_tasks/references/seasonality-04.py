from AlgorithmImports import *


class WeekendBounce(QCAlgorithm):
    """Buys IWM on Fridays after a bad week, sells on Tuesday."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(60_000)
        self._iwm = self.add_equity("IWM", Resolution.DAILY).symbol
        self._week = self.roc(self._iwm, 5, Resolution.DAILY)
        self.set_warm_up(6, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._iwm not in data.bars:
            return
        weekday = data.bars[self._iwm].end_time.weekday()
        if weekday == 4 and not self.portfolio.invested and self._week.current.value < -0.01:
            self.set_holdings(self._iwm, 0.9)
        elif weekday == 1 and self.portfolio.invested:
            self.liquidate(self._iwm)
