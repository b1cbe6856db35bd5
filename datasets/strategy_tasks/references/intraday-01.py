from AlgorithmImports import *


class FirstHalfHour(QCAlgorithm):
    """Follows the direction of SPY's first half hour until shortly before the close."""

    def initialize(self) -> None:
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.MINUTE).symbol
        self._day_open: float | None = None
        self._date = None

    def on_data(self, data: Slice) -> None:
        bar = data.bars.get(self._spy)
        if bar is None:
            return
        if self.time.date() != self._date:
            self._date, self._day_open = self.time.date(), bar.open
        clock = (self.time.hour, self.time.minute)
        if clock == (10, 0) and bar.close > self._day_open:
            self.set_holdings(self._spy, 0.8)
        elif clock == (15, 45) and self.portfolio.invested:
            self.liquidate(self._spy)
