from AlgorithmImports import *


class BuyAndHold(QCAlgorithm):
    """Buys five securities in equal parts on the first day."""

    _TICKERS = ("AAPL", "IBM", "WM", "BAC", "SPY")

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        for ticker in self._TICKERS:
            self.add_equity(ticker, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        for symbol in data.bars.keys():
            if not self.portfolio[symbol].invested:
                self.set_holdings(symbol, 1 / len(self._TICKERS))
