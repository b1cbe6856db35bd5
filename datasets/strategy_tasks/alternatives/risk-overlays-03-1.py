from AlgorithmImports import *


class WindowOfLows(QCAlgorithm):
    """Closes in a list, the stop as a ticket that is cancelled when time runs out."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self.asset = self.add_equity("BAC", Resolution.DAILY)
        self.asset.set_fee_model(ConstantFeeModel(1))
        self.closes = [bar.close for bar in self.history[TradeBar](self.asset.symbol, 10, Resolution.DAILY)]
        self.stop = None
        self.held = 0

    def on_data(self, data: Slice) -> None:
        if self.asset.symbol not in data.bars:
            return
        price = data.bars[self.asset.symbol].close
        self.closes = [*self.closes[-9:], price]
        if self.asset.holdings.is_long:
            self.held += 1
            if self.held == 10:
                self.stop.cancel()
                self.market_on_open_order(self.asset.symbol, -self.asset.holdings.quantity)
        elif price == min(self.closes):
            self.held = 0
            self.market_on_open_order(self.asset.symbol, int(90_000 / price))

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status == OrderStatus.FILLED and order_event.direction == OrderDirection.BUY:
            level = round(0.97 * order_event.fill_price, 2)
            self.stop = self.stop_market_order(self.asset.symbol, -order_event.fill_quantity, level)
