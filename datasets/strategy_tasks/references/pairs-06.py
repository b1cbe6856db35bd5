from AlgorithmImports import *


class LeaderSwitch(QCAlgorithm):
    """Owns QQQ while it leads SPY, else SPY; decided once a month."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self._qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self._average = SimpleMovingAverage(100)
        self._ratio = 0.0
        self.set_warm_up(100, Resolution.DAILY)
        self.schedule.on(self.date_rules.month_start("SPY"), self.time_rules.after_market_open("SPY", 1), self._choose)

    def on_data(self, data: Slice) -> None:
        if self._qqq in data.bars and self._spy in data.bars:
            self._ratio = data.bars[self._qqq].close / data.bars[self._spy].close
            self._average.update(self.time, self._ratio)

    def _choose(self) -> None:
        if self.is_warming_up or not self._average.is_ready:
            return
        leader = self._qqq if self._ratio > self._average.current.value else self._spy
        if not self.portfolio[leader].invested:
            self.set_holdings(leader, 0.99, True)
