from AlgorithmImports import *


class NewYorkBreakout(QCAlgorithm):
    """Buys new 24-hour highs of EURUSD in New York's morning and leaves in the afternoon."""

    _LOOKBACK = 24
    _STOP = 0.004

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 6, 30)
        self.set_cash(100_000)
        self._pair = self.add_forex("EURUSD", Resolution.HOUR, Market.OANDA).symbol
        self._highs = RollingWindow[float](self._LOOKBACK)
        self.set_warm_up(self._LOOKBACK, Resolution.HOUR)

    def on_data(self, data: Slice) -> None:
        bar = data.quote_bars.get(self._pair)
        if bar is None:
            return
        breakout = self._highs.is_ready and bar.close > max(self._highs)
        self._highs.add(bar.high)
        if self.is_warming_up:
            return
        hour = self.time.hour
        if self.portfolio[self._pair].invested:
            if hour == 16:
                self.liquidate(self._pair)
        elif breakout and 8 <= hour <= 12:
            self.set_holdings(self._pair, 0.5)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status == OrderStatus.FILLED and order_event.fill_quantity > 0:
            stop_price = round(order_event.fill_price * (1 - self._STOP), 5)
            self.stop_market_order(self._pair, -order_event.fill_quantity, stop_price)
