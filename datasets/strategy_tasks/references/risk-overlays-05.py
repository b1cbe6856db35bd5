from AlgorithmImports import *


class ShortOil(QCAlgorithm):
    """Shorts USO in downtrends, with a limit order for the profit and a stop order for the loss."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self._uso = self.add_equity("USO", Resolution.DAILY).symbol
        self._average = self.sma(self._uso, 50, Resolution.DAILY)
        self.set_warm_up(50, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._uso not in data.bars or self.portfolio[self._uso].invested:
            return
        if data.bars[self._uso].close < self._average.current.value:
            self.set_holdings(self._uso, -0.5)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status != OrderStatus.FILLED:
            return
        if order_event.fill_quantity < 0:
            cover, price = -order_event.fill_quantity, order_event.fill_price
            self.stop_market_order(self._uso, cover, round(price * 1.03, 2))
            self.limit_order(self._uso, cover, round(price * 0.94, 2))
        else:
            self.transactions.cancel_open_orders(self._uso)
