from AlgorithmImports import *


class WeeklyReversal(QCAlgorithm):
    """Long last week's losers against last week's winners, in equal amounts."""

    _TICKERS = ("AAPL", "AIG", "BAC", "IBM", "WM", "GOOG")
    _SIDE = 2
    _WEIGHT = 0.2

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(200_000)
        self._returns = {}
        for ticker in self._TICKERS:
            symbol = self.add_equity(ticker, Resolution.DAILY).symbol
            self._returns[symbol] = self.roc(symbol, 5, Resolution.DAILY)
        self.set_warm_up(10, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.week_start("AAPL"), self.time_rules.after_market_open("AAPL", 15), self._rebalance
        )

    def _rebalance(self) -> None:
        if self.is_warming_up:
            return
        ranked = sorted(self._returns, key=lambda symbol: self._returns[symbol].current.value)
        weights = dict.fromkeys(ranked, 0.0)
        weights.update(dict.fromkeys(ranked[: self._SIDE], self._WEIGHT))
        weights.update(dict.fromkeys(ranked[-self._SIDE :], -self._WEIGHT))
        self.set_holdings([PortfolioTarget(symbol, weight) for symbol, weight in weights.items()])
