from AlgorithmImports import *


class TurnOfMonth(QCAlgorithm):
    """Holds SPY from the last trading day of a month to the third of the next."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self._month = 0
        self._trading_day = 0

    def on_data(self, data: Slice) -> None:
        if self._spy not in data.bars:
            return
        if self.time.month != self._month:
            self._month = self.time.month
            self._trading_day = 0
        self._trading_day += 1
        if self.portfolio.invested:
            if self._trading_day >= 3 and not self._is_last_trading_day():
                self.liquidate(self._spy)
        elif self._is_last_trading_day():
            self.set_holdings(self._spy, 0.98)

    def _is_last_trading_day(self) -> bool:
        hours = self.securities[self._spy].exchange.hours
        return hours.get_next_market_open(self.time, False).month != self.time.month
