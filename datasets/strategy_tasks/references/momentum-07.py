from AlgorithmImports import *


class PriceOscillator(QCAlgorithm):
    """Trades IBM by the sign of its percentage price oscillator, with a stop for catastrophes."""

    _STOP = 0.08

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self._ibm = self.add_equity("IBM", Resolution.DAILY).symbol
        self._ppo = self.ppo(self._ibm, 12, 26, MovingAverageType.EXPONENTIAL, Resolution.DAILY)
        self._was_positive: bool | None = None
        self.set_warm_up(150, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._ibm not in data.bars or not self._ppo.is_ready:
            return
        is_positive = self._ppo.current.value > 0
        crossed = self._was_positive is not None and is_positive != self._was_positive
        self._was_positive = is_positive
        if self.is_warming_up or not crossed:
            return
        invested = self.portfolio[self._ibm].invested
        if is_positive and not invested:
            self.set_holdings(self._ibm, 0.9)
        elif not is_positive and invested:
            self.liquidate(self._ibm)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status == OrderStatus.FILLED and order_event.fill_quantity > 0:
            stop_price = round(order_event.fill_price * (1 - self._STOP), 2)
            self.stop_market_order(self._ibm, -order_event.fill_quantity, stop_price)
