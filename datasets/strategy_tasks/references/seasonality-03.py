from AlgorithmImports import *


class MondayToThursday(QCAlgorithm):
    """Buys a hundred QQQ after Monday's close, sells them after Thursday's."""

    _MONDAY, _THURSDAY = 0, 3

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(50_000)
        self._qqq = self.add_equity("QQQ", Resolution.DAILY).symbol

    def on_data(self, data: Slice) -> None:
        if self._qqq not in data.bars:
            return
        weekday = self.time.weekday()
        quantity = self.portfolio[self._qqq].quantity
        if weekday == self._MONDAY and quantity == 0:
            self.market_order(self._qqq, 100)
        elif weekday == self._THURSDAY and quantity > 0:
            self.liquidate(self._qqq)
