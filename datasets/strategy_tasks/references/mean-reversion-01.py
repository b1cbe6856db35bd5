from AlgorithmImports import *


class RsiDip(QCAlgorithm):
    """Buys SPY when the two-day RSI is washed out and sells the bounce; a loss is cut at one percent."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self._rsi = self.rsi(self._spy, 2, MovingAverageType.WILDERS, Resolution.DAILY)
        self._mean = self.sma(self._spy, 5, Resolution.DAILY)
        self.set_warm_up(100, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._spy not in data.bars:
            return
        if self.portfolio[self._spy].invested:
            if data.bars[self._spy].close > self._mean.current.value:
                self.liquidate(self._spy, tag="back above the mean")
        elif self._rsi.current.value < 10:
            self.set_holdings(self._spy, 0.95, tag="oversold")

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status == OrderStatus.FILLED and order_event.fill_quantity > 0:
            stop_price = round(order_event.fill_price * 0.99, 2)
            self.stop_market_order(order_event.symbol, -order_event.fill_quantity, stop_price, tag="stop")
