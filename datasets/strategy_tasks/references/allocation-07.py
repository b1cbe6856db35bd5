from AlgorithmImports import *


class MonthEndHalves(QCAlgorithm):
    """Two ETFs in equal parts, set anew at each month's end."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self.settings.seed_initial_prices = True
        self._symbols = [self.add_equity(ticker, Resolution.DAILY).symbol for ticker in ("SPY", "IWM")]
        self.schedule.on(
            self.date_rules.month_end("SPY"), self.time_rules.before_market_close("SPY", 10), self._rebalance
        )

    def _rebalance(self) -> None:
        self.set_holdings([PortfolioTarget(symbol, 0.5) for symbol in self._symbols])
