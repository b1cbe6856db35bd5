from AlgorithmImports import *


class TopTwoRotation(QCAlgorithm):
    """Holds the two strongest of six stocks, chosen anew each month."""

    _TICKERS = ("AAPL", "IBM", "BAC", "WM", "AIG", "GOOG")
    _TOP = 2

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self._momentum = {}
        for ticker in self._TICKERS:
            symbol = self.add_equity(ticker, Resolution.DAILY).symbol
            self._momentum[symbol] = self.roc(symbol, 126, Resolution.DAILY)
        self.set_warm_up(127, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.month_start("AAPL"), self.time_rules.after_market_open("AAPL", 5), self._rebalance
        )

    def _rebalance(self) -> None:
        if self.is_warming_up:
            return
        ranked = sorted(self._momentum, key=lambda symbol: self._momentum[symbol].current.value, reverse=True)
        weights = dict.fromkeys(ranked, 0.0) | dict.fromkeys(ranked[: self._TOP], 0.98 / self._TOP)
        self.set_holdings([PortfolioTarget(symbol, weight) for symbol, weight in weights.items()])
