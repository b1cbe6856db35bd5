from AlgorithmImports import *


class Bracket(QCAlgorithm):
    """Buys AAPL as it rises through its EMA; a stop and a limit order do the rest, one cancels the other."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self._aapl = self.add_equity("AAPL", Resolution.DAILY).symbol
        self._average = self.ema(self._aapl, 20, Resolution.DAILY)
        self._was_above: bool | None = None
        self._exits: list[OrderTicket] = []
        self.set_warm_up(150, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._aapl not in data.bars or not self._average.is_ready:
            return
        is_above = data.bars[self._aapl].close > self._average.current.value
        crossed = self._was_above is False and is_above
        self._was_above = is_above
        if crossed and not self.is_warming_up and not self.portfolio.invested:
            self.set_holdings(self._aapl, 0.95)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status != OrderStatus.FILLED:
            return
        if order_event.fill_quantity > 0:
            quantity, price = -order_event.fill_quantity, order_event.fill_price
            self._exits = [
                self.stop_market_order(self._aapl, quantity, round(price * 0.95, 2)),
                self.limit_order(self._aapl, quantity, round(price * 1.10, 2)),
            ]
        else:
            for ticket in self._exits:
                if ticket.order_id != order_event.order_id:
                    ticket.cancel()
