from AlgorithmImports import *


class LowVolatility(QCAlgorithm):
    """Holds the three calmest of eight securities, chosen anew each month."""

    _TICKERS = ("AAPL", "AIG", "BAC", "IBM", "GOOG", "WM", "SPY", "EEM")
    _COUNT = 3

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(150_000)
        self._volatility = {}
        for ticker in self._TICKERS:
            symbol = self.add_equity(ticker, Resolution.DAILY).symbol
            daily_return = self.roc(symbol, 1, Resolution.DAILY)
            self._volatility[symbol] = IndicatorExtensions.of(StandardDeviation(60), daily_return)
        self.set_warm_up(65, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.month_start("SPY"), self.time_rules.after_market_open("SPY", 10), self._rebalance
        )

    def _rebalance(self) -> None:
        if self.is_warming_up:
            return
        ranked = sorted(self._volatility, key=lambda symbol: self._volatility[symbol].current.value)
        for symbol in ranked[self._COUNT :]:
            self.liquidate(symbol)
        for symbol in ranked[: self._COUNT]:
            self.set_holdings(symbol, 0.98 / self._COUNT)
