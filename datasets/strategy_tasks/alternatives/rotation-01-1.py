from AlgorithmImports import *


class RankingAlpha(AlphaModel):
    """Ranks the universe in the first slice of each month; the insights live until the next ranking."""

    def __init__(self, period: int, count: int) -> None:
        self.period = period
        self.count = count
        self.month = -1
        self.changes: dict[Symbol, RateOfChange] = {}

    def on_securities_changed(self, algorithm: QCAlgorithm, changes: SecurityChanges) -> None:
        for security in changes.added_securities:
            self.changes[security.symbol] = algorithm.roc(security.symbol, self.period, Resolution.DAILY)
            algorithm.warm_up_indicator(security.symbol, self.changes[security.symbol], Resolution.DAILY)

    def update(self, algorithm: QCAlgorithm, data: Slice) -> list[Insight]:
        if not data.bars or algorithm.time.month == self.month:
            return []
        self.month = algorithm.time.month
        ranked = sorted(self.changes.items(), key=lambda pair: -pair[1].current.value)
        chosen = {symbol for symbol, _ in ranked[: self.count]}
        life = timedelta(days=45)
        return [
            Insight.price(symbol, life, InsightDirection.UP if symbol in chosen else InsightDirection.FLAT)
            for symbol in self.changes
        ]


class RotationFramework(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self.settings.rebalance_portfolio_on_security_changes = False
        for ticker in ["AAPL", "IBM", "BAC", "WM", "AIG", "GOOG"]:
            self.add_equity(ticker, Resolution.DAILY)
        self.add_alpha(RankingAlpha(126, 2))
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel(lambda time: None))
        self.set_execution(ImmediateExecutionModel())
