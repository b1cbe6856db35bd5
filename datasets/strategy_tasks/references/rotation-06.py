from AlgorithmImports import *


class ContrarianRotation(QCAlgorithm):
    """Each month in the stock that its RSI calls the most sold."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(75_000)
        self._strength = {}
        for ticker in ("AAPL", "BAC", "IBM", "WM"):
            symbol = self.add_equity(ticker, Resolution.DAILY).symbol
            self._strength[symbol] = self.rsi(symbol, 14, MovingAverageType.WILDERS, Resolution.DAILY)
        self.set_warm_up(120, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.month_start("IBM"), self.time_rules.after_market_open("IBM", 1), self._rebalance
        )

    def _rebalance(self) -> None:
        if self.is_warming_up:
            return
        weakest = min(self._strength, key=lambda symbol: self._strength[symbol].current.value)
        self.set_holdings(weakest, 0.95, True)
