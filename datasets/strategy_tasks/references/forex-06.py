from AlgorithmImports import *


class EuroScalper(QCAlgorithm):
    """Buys crossings of two minute averages of EURUSD with a tight bracket."""

    def initialize(self) -> None:
        self.set_start_date(2014, 5, 5)
        self.set_end_date(2014, 5, 9)
        self.set_cash(20_000)
        self._pair = self.add_forex("EURUSD", Resolution.MINUTE, Market.OANDA).symbol
        self._fast = self.ema(self._pair, 30)
        self._slow = self.ema(self._pair, 120)
        self._was_above: bool | None = None

    def on_data(self, data: Slice) -> None:
        if self._pair not in data.quote_bars or not self._slow.is_ready:
            return
        is_above = self._fast.current.value > self._slow.current.value
        crossed = self._was_above is False and is_above
        self._was_above = is_above
        invested = self.portfolio[self._pair].invested
        if crossed and not invested:
            self.market_order(self._pair, 10_000)
        elif invested and not is_above:
            self.liquidate(self._pair)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status != OrderStatus.FILLED:
            return
        if order_event.fill_quantity > 0:
            price = order_event.fill_price
            self.stop_market_order(self._pair, -order_event.fill_quantity, round(price * 0.999, 5))
            self.limit_order(self._pair, -order_event.fill_quantity, round(price * 1.002, 5))
        else:
            self.transactions.cancel_open_orders(self._pair)
