from AlgorithmImports import *


class BasketMomentum(QCAlgorithm):
    """A quarter of the portfolio for each stock with a rising quarter above its long average."""

    _TICKERS = ("AAPL", "GOOG", "IBM", "WM")

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(200_000)
        self._signals = {}
        for ticker in self._TICKERS:
            symbol = self.add_equity(ticker, Resolution.DAILY).symbol
            change = self.roc(symbol, 63, Resolution.DAILY)
            average = self.sma(symbol, 100, Resolution.DAILY)
            self._signals[symbol] = (change, average)
        self.set_warm_up(100, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.month_start("IBM"), self.time_rules.after_market_open("IBM", 30), self._rebalance
        )

    def _rebalance(self) -> None:
        if self.is_warming_up:
            return
        for symbol, (change, average) in self._signals.items():
            price = self.securities[symbol].price
            wanted = change.current.value > 0 and price > average.current.value
            self.set_holdings(symbol, 0.25 if wanted else 0)
