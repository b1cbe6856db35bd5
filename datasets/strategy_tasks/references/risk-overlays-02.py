from AlgorithmImports import *


class TrailingExit(QCAlgorithm):
    """Buys QQQ at a crossing of its averages and leaves by LEAN's trailing stop order."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self._qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self._fast = self.sma(self._qqq, 10, Resolution.DAILY)
        self._slow = self.sma(self._qqq, 30, Resolution.DAILY)
        self._was_above: bool | None = None
        self.set_warm_up(40, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._qqq not in data.bars or not self._slow.is_ready:
            return
        is_above = self._fast.current.value > self._slow.current.value
        crossed = self._was_above is False and is_above
        self._was_above = is_above
        if crossed and not self.is_warming_up and not self.portfolio.invested:
            self.set_holdings(self._qqq, 0.95)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status == OrderStatus.FILLED and order_event.fill_quantity > 0:
            self.trailing_stop_order(self._qqq, -order_event.fill_quantity, 0.04, True)
