from AlgorithmImports import *


class QuarterlyEqualWeight(QCAlgorithm):
    """Four stocks in equal parts, set anew each quarter."""

    _TICKERS = ("AAPL", "IBM", "GOOG", "BAC")

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(100_000)
        self.settings.seed_initial_prices = True
        self._symbols = [self.add_equity(ticker, Resolution.DAILY).symbol for ticker in self._TICKERS]
        self.schedule.on(
            self.date_rules.month_start("AAPL"), self.time_rules.after_market_open("AAPL", 1), self._rebalance
        )

    def _rebalance(self) -> None:
        if self.time.month % 3 != 1:
            return
        weight = 1 / len(self._symbols)
        self.set_holdings([PortfolioTarget(symbol, weight) for symbol in self._symbols])
