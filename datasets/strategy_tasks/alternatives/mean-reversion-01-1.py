from AlgorithmImports import *


class DipBuyer(QCAlgorithm):
    """The same idea without automatic indicators: the RSI object is fed by hand, the mean comes from a window."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self._equity = self.add_equity("SPY", Resolution.DAILY)
        self._rsi = RelativeStrengthIndex(2, MovingAverageType.WILDERS)
        self._closes = RollingWindow[float](5)
        self._stop = None
        for bar in self.history[TradeBar](self._equity.symbol, 100, Resolution.DAILY):
            self._learn(bar)

    def _learn(self, bar: TradeBar) -> None:
        self._rsi.update(bar.end_time, bar.close)
        self._closes.add(bar.close)

    def on_data(self, data: Slice) -> None:
        bar = data.bars.get(self._equity.symbol)
        if bar is None:
            return
        self._learn(bar)
        if not self._equity.invested:
            if self._rsi.current.value < 10:
                quantity = self.calculate_order_quantity(self._equity.symbol, 0.9)
                self.market_on_open_order(self._equity.symbol, quantity)
            return
        if bar.close > sum(self._closes) / 5:
            if self._stop is not None:
                self._stop.cancel()
            self.market_on_open_order(self._equity.symbol, -self._equity.holdings.quantity)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status != OrderStatus.FILLED:
            return
        if order_event.direction == OrderDirection.BUY:
            level = round(self._equity.holdings.average_price * 0.99, 2)
            self._stop = self.stop_market_order(self._equity.symbol, -self._equity.holdings.quantity, level)
        else:
            self._stop = None
