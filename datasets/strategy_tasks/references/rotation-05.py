from AlgorithmImports import *


class Candidate:
    """The indicators of one security and its score."""

    def __init__(self, algorithm: QCAlgorithm, ticker: str) -> None:
        self.symbol = algorithm.add_equity(ticker, Resolution.DAILY).symbol
        self._changes = [algorithm.roc(self.symbol, period, Resolution.DAILY) for period in (21, 63, 126)]
        self._average = algorithm.sma(self.symbol, 200, Resolution.DAILY)

    @property
    def score(self) -> float:
        return sum(change.current.value for change in self._changes)

    def is_in_uptrend(self, price: float) -> bool:
        return price > self._average.current.value


class CompositeMomentum(QCAlgorithm):
    """Buys the three best blends of three momenta, if their long trend is up."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(120_000)
        self._candidates = [Candidate(self, ticker) for ticker in ("SPY", "QQQ", "IWM", "EEM", "AAPL", "IBM")]
        self.set_warm_up(200, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.month_start("SPY"), self.time_rules.after_market_open("SPY", 1), self._rebalance
        )

    def _rebalance(self) -> None:
        if self.is_warming_up:
            return
        ranked = sorted(self._candidates, key=lambda candidate: candidate.score, reverse=True)
        chosen = {one.symbol for one in ranked[:3] if one.is_in_uptrend(self.securities[one.symbol].price)}
        self.set_holdings([PortfolioTarget(one.symbol, 0.3 if one.symbol in chosen else 0) for one in ranked])
