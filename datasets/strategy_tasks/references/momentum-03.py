from AlgorithmImports import *


class DualMomentum(QCAlgorithm):
    """Holds the stronger of two markets, or cash when neither has risen."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2016, 6, 30)
        self.set_cash(100_000)
        self._momentum = {}
        for ticker in ("SPY", "EEM"):
            symbol = self.add_equity(ticker, Resolution.DAILY).symbol
            self._momentum[symbol] = self.roc(symbol, 126, Resolution.DAILY)
        self.set_warm_up(127, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.month_start("SPY"), self.time_rules.after_market_open("SPY", 5), self._rebalance
        )

    def _rebalance(self) -> None:
        if self.is_warming_up:
            return
        best, momentum = max(self._momentum.items(), key=lambda item: item[1].current.value)
        targets = [PortfolioTarget(symbol, 0) for symbol in self._momentum if symbol != best]
        targets.append(PortfolioTarget(best, 0.99 if momentum.current.value > 0 else 0))
        self.set_holdings(targets)
