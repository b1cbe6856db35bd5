from AlgorithmImports import *


class TimeAndStop(QCAlgorithm):
    """Buys BAC at ten-day lows; leaves after ten trading days or at three percent below the entry."""

    _HOLD_BARS = 10
    _STOP = 0.03

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self._bac = self.add_equity("BAC", Resolution.DAILY).symbol
        self._low = self.min(self._bac, 10, Resolution.DAILY, Field.CLOSE)
        self._bars_held = 0
        self.set_warm_up(10, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._bac not in data.bars:
            return
        if self.portfolio[self._bac].invested:
            self._bars_held += 1
            if self._bars_held >= self._HOLD_BARS:
                self.liquidate(self._bac)
        elif data.bars[self._bac].close <= self._low.current.value:
            self._bars_held = 0
            self.set_holdings(self._bac, 0.9)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status == OrderStatus.FILLED and order_event.fill_quantity > 0:
            stop_price = round(order_event.fill_price * (1 - self._STOP), 2)
            self.stop_market_order(self._bac, -order_event.fill_quantity, stop_price)
