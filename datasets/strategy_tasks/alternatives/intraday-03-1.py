from AlgorithmImports import *


class MinuteCrossAlpha(AlphaModel):
    def __init__(self, algorithm: QCAlgorithm, symbol: Symbol) -> None:
        self.symbol = symbol
        self.fast = algorithm.sma(symbol, 15, Resolution.MINUTE)
        self.slow = algorithm.sma(symbol, 60, Resolution.MINUTE)
        self.up = False

    def update(self, algorithm: QCAlgorithm, data: Slice) -> list[Insight]:
        if not self.slow.is_ready or self.symbol not in data.bars:
            return []
        up = self.fast.current.value > self.slow.current.value
        if up == self.up:
            return []
        self.up = up
        direction = InsightDirection.UP if up else InsightDirection.FLAT
        return [Insight.price(self.symbol, timedelta(days=30), direction)]


class FixedLot(PortfolioConstructionModel):
    """Five hundred shares or none."""

    def create_targets(self, algorithm: QCAlgorithm, insights: list[Insight]) -> list[PortfolioTarget]:
        return [PortfolioTarget(i.symbol, 500 if i.direction == InsightDirection.UP else 0) for i in insights]


class MinuteFramework(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100_000)
        spy = self.add_equity("SPY", Resolution.MINUTE).symbol
        self.add_alpha(MinuteCrossAlpha(self, spy))
        self.set_portfolio_construction(FixedLot())
        self.set_execution(ImmediateExecutionModel())
