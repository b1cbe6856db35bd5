from AlgorithmImports import *


class TurtleSystem(QCAlgorithm):
    """Twenty-day breakouts of USO in both directions with a ten-day exit and a stop of two ATR."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self._uso = self.add_equity("USO", Resolution.DAILY).symbol
        self._atr = self.atr(self._uso, 20, MovingAverageType.WILDERS, Resolution.DAILY)
        self._bars = RollingWindow[TradeBar](21)
        self._stop_distance = 0.0
        self.set_warm_up(150, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        bar = data.bars.get(self._uso)
        if bar is None:
            return
        self._bars.add(bar)
        if self.is_warming_up or not self._bars.is_ready:
            return
        before = list(self._bars)[1:]
        holding = self.portfolio[self._uso]
        if not holding.invested:
            self._enter(bar.close, before)
        elif holding.is_long and bar.close < min(past.low for past in before[:10]):
            self.liquidate(self._uso)
        elif holding.is_short and bar.close > max(past.high for past in before[:10]):
            self.liquidate(self._uso)

    def _enter(self, close: float, before: list[TradeBar]) -> None:
        if close > max(past.high for past in before):
            weight = 0.5
        elif close < min(past.low for past in before):
            weight = -0.5
        else:
            return
        self._stop_distance = 2 * self._atr.current.value
        self.set_holdings(self._uso, weight)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status != OrderStatus.FILLED or not self.portfolio[self._uso].invested:
            return
        side = 1 if order_event.fill_quantity > 0 else -1
        price = round(order_event.fill_price - side * self._stop_distance, 2)
        self.stop_market_order(self._uso, -order_event.fill_quantity, price)
