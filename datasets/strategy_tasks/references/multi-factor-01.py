import math

from AlgorithmImports import *


class Scored:
    """One stock with what its score is made of."""

    def __init__(self, algorithm: QCAlgorithm, ticker: str) -> None:
        self.symbol = algorithm.add_equity(ticker, Resolution.DAILY).symbol
        self._momentum = algorithm.roc(self.symbol, 126, Resolution.DAILY)
        daily_return = algorithm.roc(self.symbol, 1, Resolution.DAILY)
        self._deviation = IndicatorExtensions.of(StandardDeviation(60), daily_return)

    @property
    def score(self) -> float:
        """Momentum less a year's volatility."""
        return self._momentum.current.value - self._deviation.current.value * math.sqrt(252)


class MomentumLessRisk(QCAlgorithm):
    """Holds the three stocks with the best momentum after their volatility is taken off."""

    _COUNT = 3

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(100_000)
        self._stocks = [Scored(self, ticker) for ticker in ("AAPL", "IBM", "BAC", "WM", "GOOG", "AIG")]
        self.set_warm_up(130, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.month_start("IBM"), self.time_rules.after_market_open("IBM", 1), self._rebalance
        )

    def _rebalance(self) -> None:
        if self.is_warming_up:
            return
        ranked = sorted(self._stocks, key=lambda stock: stock.score, reverse=True)
        targets = [PortfolioTarget(stock.symbol, 0) for stock in ranked[self._COUNT :]]
        targets += [PortfolioTarget(stock.symbol, 1 / self._COUNT) for stock in ranked[: self._COUNT]]
        self.set_holdings(targets)
