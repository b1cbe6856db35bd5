from AlgorithmImports import *


class TwoMarketsWithStops(QCAlgorithm):
    """Buys weakness in two markets; each position carries its own stop."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(150_000)
        self._strength = {}
        for ticker in ("SPY", "EEM"):
            symbol = self.add_equity(ticker, Resolution.DAILY).symbol
            self._strength[symbol] = self.rsi(symbol, 14, MovingAverageType.WILDERS, Resolution.DAILY)
        self.set_warm_up(150, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up:
            return
        for symbol, rsi in self._strength.items():
            if symbol not in data.bars:
                continue
            if self.portfolio[symbol].invested:
                if rsi.current.value > 60:
                    self.liquidate(symbol)
            elif rsi.current.value < 40:
                self.set_holdings(symbol, 0.45)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status == OrderStatus.FILLED and order_event.fill_quantity > 0:
            stop_price = round(self.portfolio[order_event.symbol].average_price * 0.96, 2)
            self.stop_market_order(order_event.symbol, -order_event.fill_quantity, stop_price)
