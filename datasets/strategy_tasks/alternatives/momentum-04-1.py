from AlgorithmImports import *


class WeeklyMomentumOnData(QCAlgorithm):
    """Finds the week's first bar by its ISO week and compares two entries of a window."""

    def initialize(self) -> None:
        self.set_start_date(2018, 1, 1)
        self.set_end_date(2018, 12, 31)
        self.set_cash(100_000)
        self.goog = self.add_equity("GOOG", Resolution.DAILY).symbol
        self.closes = RollingWindow[float](61)
        self.week = None
        self.set_warm_up(61, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.goog not in data.bars:
            return
        self.closes.add(data.bars[self.goog].close)
        week = self.time.isocalendar()[1]
        if week == self.week:
            return
        self.week = week
        if self.is_warming_up or not self.closes.is_ready:
            return
        target = 0.5 if self.closes[0] > self.closes[60] else -0.5
        self.set_holdings(self.goog, target)
