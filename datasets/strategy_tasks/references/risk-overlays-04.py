from AlgorithmImports import *


class AtrBracket(QCAlgorithm):
    """Buys IBM when it recovers from weakness; stop and target are multiples of the signal bar's ATR."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self._ibm = self.add_equity("IBM", Resolution.DAILY).symbol
        self._rsi = self.rsi(self._ibm, 14, MovingAverageType.WILDERS, Resolution.DAILY)
        self._atr = self.atr(self._ibm, 14, MovingAverageType.WILDERS, Resolution.DAILY)
        self._last_rsi: float | None = None
        self._signal_atr = 0.0
        self.set_warm_up(150, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._ibm not in data.bars or not self._rsi.is_ready:
            return
        rsi, before = self._rsi.current.value, self._last_rsi
        self._last_rsi = rsi
        if self.is_warming_up or before is None or self.portfolio.invested:
            return
        if before <= 35 < rsi:
            self._signal_atr = self._atr.current.value
            self.set_holdings(self._ibm, 0.5)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status != OrderStatus.FILLED:
            return
        if order_event.fill_quantity < 0:
            self.transactions.cancel_open_orders(self._ibm)
            return
        quantity, price = -order_event.fill_quantity, order_event.fill_price
        self.stop_market_order(self._ibm, quantity, round(price - 1.5 * self._signal_atr, 2))
        self.limit_order(self._ibm, quantity, round(price + 3 * self._signal_atr, 2))
