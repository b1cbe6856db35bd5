from AlgorithmImports import *


class StopMovedByHand(QCAlgorithm):
    """A stop market order whose price is raised after each new high."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self.qqq = self.add_equity("QQQ", Resolution.DAILY).symbol
        self.short_mean = self.sma(self.qqq, 10)
        self.long_mean = self.sma(self.qqq, 30)
        self.spread = RollingWindow[float](2)
        self.ticket = None
        self.best = 0.0
        self.set_warm_up(timedelta(days=60))

    def on_data(self, data: Slice) -> None:
        if not data.bars.contains_key(self.qqq) or not self.long_mean.is_ready:
            return
        bar = data.bars[self.qqq]
        self.spread.add(self.short_mean.current.value - self.long_mean.current.value)
        if self.is_warming_up or not self.spread.is_ready:
            return
        if self.ticket is not None:
            if bar.high > self.best:
                self.best = bar.high
                fields = UpdateOrderFields()
                fields.stop_price = round(self.best * 0.96, 2)
                self.ticket.update(fields)
        elif not self.portfolio.invested and self.spread[0] > 0 >= self.spread[1]:
            self.set_holdings(self.qqq, 0.9)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status != OrderStatus.FILLED:
            return
        if order_event.fill_quantity > 0:
            self.best = order_event.fill_price
            stop = round(self.best * 0.96, 2)
            self.ticket = self.stop_market_order(self.qqq, -order_event.fill_quantity, stop)
        else:
            self.ticket = None
