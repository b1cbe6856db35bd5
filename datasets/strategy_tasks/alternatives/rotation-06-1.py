from AlgorithmImports import *


class LowestRsiModel(PortfolioConstructionModel):
    """Targets for the weakest symbol of the insights' scores."""

    def create_targets(self, algorithm: QCAlgorithm, insights: list[Insight]) -> list[PortfolioTarget]:
        return [
            PortfolioTarget.percent(algorithm, insight.symbol, 0.95 if insight.direction == InsightDirection.UP else 0)
            for insight in sorted(insights, key=lambda insight: int(insight.direction))
        ]


class WeakestStockAlpha(AlphaModel):
    def __init__(self) -> None:
        self.indicators = {}
        self.done = (0, 0)

    def on_securities_changed(self, algorithm: QCAlgorithm, changes: SecurityChanges) -> None:
        for security in changes.added_securities:
            indicator = RelativeStrengthIndex(14)
            algorithm.register_indicator(security.symbol, indicator, Resolution.DAILY)
            for bar in algorithm.history[TradeBar](security.symbol, 150, Resolution.DAILY):
                indicator.update(bar.end_time, bar.close)
            self.indicators[security.symbol] = indicator

    def update(self, algorithm: QCAlgorithm, data: Slice) -> list[Insight]:
        month = (algorithm.time.year, algorithm.time.month)
        if month == self.done or not data.bars:
            return []
        self.done = month
        weakest = sorted(self.indicators, key=lambda symbol: self.indicators[symbol].current.value)[0]
        up, flat = InsightDirection.UP, InsightDirection.FLAT
        return [Insight.price(s, timedelta(days=40), up if s == weakest else flat) for s in self.indicators]


class WeakestStock(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(75_000)
        for ticker in ("AAPL", "BAC", "IBM", "WM"):
            self.add_equity(ticker, Resolution.DAILY)
        self.add_alpha(WeakestStockAlpha())
        self.set_portfolio_construction(LowestRsiModel())
        self.set_execution(ImmediateExecutionModel())
