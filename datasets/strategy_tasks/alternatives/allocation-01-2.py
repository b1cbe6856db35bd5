from AlgorithmImports import *


class FixedWeightAlpha(AlphaModel):
    """Constant insights with the wanted weights, once a month."""

    def __init__(self, weights: dict[str, float]) -> None:
        self.weights = weights
        self.month = 0

    def update(self, algorithm: QCAlgorithm, data: Slice) -> list[Insight]:
        if algorithm.time.month == self.month or len(data.bars.keys()) < len(self.weights):
            return []
        self.month = algorithm.time.month
        return [
            Insight.price(algorithm.symbol(ticker), timedelta(days=60), InsightDirection.UP, None, None, None, weight)
            for ticker, weight in self.weights.items()
        ]


class SixtyFortyFramework(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self.add_equity("SPY", Resolution.DAILY)
        self.add_equity("EEM", Resolution.DAILY)
        self.add_alpha(FixedWeightAlpha({"SPY": 0.6, "EEM": 0.4}))
        self.set_portfolio_construction(InsightWeightingPortfolioConstructionModel(lambda time: None))
        self.set_execution(ImmediateExecutionModel())
