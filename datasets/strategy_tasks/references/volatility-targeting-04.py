from AlgorithmImports import *


class RiskSizedTrend(QCAlgorithm):
    """Follows AAPL's trend and risks one percent of the equity between entry and stop."""

    _RISK = 0.01
    _STOP_ATR = 2

    def initialize(self) -> None:
        self.set_start_date(2013, 1, 1)
        self.set_end_date(2013, 12, 31)
        self.set_cash(100_000)
        self._aapl = self.add_equity("AAPL", Resolution.DAILY).symbol
        self._trend = self.sma(self._aapl, 50, Resolution.DAILY)
        self._atr = self.atr(self._aapl, 14, MovingAverageType.WILDERS, Resolution.DAILY)
        self._stop_distance = 0.0
        self.set_warm_up(120, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._aapl not in data.bars:
            return
        close = data.bars[self._aapl].close
        if self.portfolio[self._aapl].invested:
            if close < self._trend.current.value:
                self.liquidate(self._aapl)
        elif close > self._trend.current.value:
            self._stop_distance = self._STOP_ATR * self._atr.current.value
            affordable = self.portfolio.cash * 0.95 / close
            wanted = self.portfolio.total_portfolio_value * self._RISK / self._stop_distance
            self.market_order(self._aapl, int(min(wanted, affordable)))

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status == OrderStatus.FILLED and order_event.fill_quantity > 0:
            price = round(order_event.fill_price - self._stop_distance, 2)
            self.stop_market_order(self._aapl, -order_event.fill_quantity, price)
