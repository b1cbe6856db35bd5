from AlgorithmImports import *


class BandsFromHistory(QCAlgorithm):
    """Bands from a pandas window of closes (population deviation, as Bollinger defined it)."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self._symbol = self.add_equity("IBM", Resolution.DAILY).symbol

    def on_data(self, data: Slice) -> None:
        if self._symbol not in data.bars:
            return
        closes = self.history(self._symbol, 20, Resolution.DAILY)["close"]
        if len(closes) < 20:
            return
        middle = closes.mean()
        lower = middle - 2 * closes.std(ddof=0)
        last = closes.iloc[-1]
        held = self.portfolio[self._symbol].quantity
        if held == 0 and last < lower:
            self.set_holdings(self._symbol, 0.9)
        elif held > 0 and last > middle:
            self.market_order(self._symbol, -held)
