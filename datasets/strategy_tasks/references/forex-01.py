from AlgorithmImports import *


class EuroAverages(QCAlgorithm):
    """Always in EURUSD, on the side of the faster of two hourly averages."""

    _UNITS = 100_000

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 6, 30)
        self.set_cash(100_000)
        self._pair = self.add_forex("EURUSD", Resolution.HOUR, Market.OANDA).symbol
        self._fast = self.sma(self._pair, 24)
        self._slow = self.sma(self._pair, 96)
        self.set_warm_up(96, Resolution.HOUR)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._pair not in data.quote_bars:
            return
        spread = self._fast.current.value - self._slow.current.value
        wanted = self._UNITS if spread > 0 else -self._UNITS if spread < 0 else 0
        change = wanted - self.portfolio[self._pair].quantity
        if change and wanted:
            self.market_order(self._pair, change)
