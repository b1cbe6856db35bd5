from AlgorithmImports import *


class FirstDaysOfMonth(QCAlgorithm):
    """Owns IWM in the first days of a month, in an uptrend, and never in September."""

    _LAST_DAY = 5

    def initialize(self) -> None:
        self.set_start_date(2013, 1, 1)
        self.set_end_date(2013, 12, 31)
        self.set_cash(100_000)
        self._iwm = self.add_equity("IWM", Resolution.DAILY).symbol
        self._trend = self.sma(self._iwm, 200, Resolution.DAILY)
        self._month = 0
        self._trading_day = 0
        self.set_warm_up(200, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        bar = data.bars.get(self._iwm)
        if bar is None:
            return
        self._trading_day = self._trading_day + 1 if bar.end_time.month == self._month else 1
        self._month = bar.end_time.month
        if self.is_warming_up:
            return
        if self.portfolio.invested:
            if self._trading_day >= self._LAST_DAY:
                self.liquidate(self._iwm)
        elif self._trading_day == 1 and self._month != 9 and bar.close > self._trend.current.value:
            self.set_holdings(self._iwm, 0.98)
