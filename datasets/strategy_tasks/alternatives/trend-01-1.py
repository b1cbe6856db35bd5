from AlgorithmImports import *


class CrossAlpha(AlphaModel):
    """Compares two exponential averages each day and speaks only when the answer changes."""

    def __init__(self, fast: int, slow: int) -> None:
        self._periods = (fast, slow)
        self._averages: dict[Symbol, tuple] = {}
        self._state: dict[Symbol, InsightDirection] = {}

    def on_securities_changed(self, algorithm: QCAlgorithm, changes: SecurityChanges) -> None:
        for security in changes.added_securities:
            averages = tuple(algorithm.ema(security.symbol, n, Resolution.DAILY) for n in self._periods)
            for average in averages:
                algorithm.warm_up_indicator(security.symbol, average, Resolution.DAILY)
            self._averages[security.symbol] = averages

    def update(self, algorithm: QCAlgorithm, data: Slice) -> list[Insight]:
        insights = []
        for symbol, (fast, slow) in self._averages.items():
            if symbol not in data.bars or not slow.is_ready:
                continue
            direction = InsightDirection.UP if fast > slow else InsightDirection.FLAT
            if direction != self._state.get(symbol, InsightDirection.FLAT):
                self._state[symbol] = direction
                insights.append(Insight.price(symbol, timedelta(days=500), direction))
        return insights


class EmaCrossFramework(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2013, 1, 1)
        self.set_end_date(2013, 12, 31)
        self.set_cash(100_000)
        self.add_equity("AAPL", Resolution.DAILY)
        self.add_alpha(CrossAlpha(10, 30))
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel(lambda time: None))
        self.set_execution(ImmediateExecutionModel())
