from AlgorithmImports import *


class MajorityAlpha(AlphaModel):
    """Three questions to one symbol; an insight when the majority changes."""

    def __init__(self, algorithm: QCAlgorithm, symbol: Symbol) -> None:
        self.symbol = symbol
        self.mean = algorithm.sma(symbol, 100)
        self.speed = algorithm.momp(symbol, 20)
        self.strength = algorithm.rsi(symbol, 14)
        self.is_long = False

    def update(self, algorithm: QCAlgorithm, data: Slice) -> list[Insight]:
        if algorithm.is_warming_up or self.symbol not in data.bars:
            return []
        yes = 0
        if data.bars[self.symbol].close > self.mean.current.value:
            yes += 1
        if self.speed.current.value > 0:
            yes += 1
        if self.strength.current.value > 50:
            yes += 1
        if (yes > 1) == self.is_long:
            return []
        self.is_long = yes > 1
        side = InsightDirection.UP if self.is_long else InsightDirection.FLAT
        return [Insight.price(self.symbol, timedelta(days=700), side)]


class MajorityFramework(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.set_warm_up(timedelta(days=300))
        self.add_alpha(MajorityAlpha(self, spy))
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel(lambda time: None))
        self.set_execution(ImmediateExecutionModel())
