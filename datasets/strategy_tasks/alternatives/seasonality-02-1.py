from AlgorithmImports import *


class SeasonAlpha(AlphaModel):
    """One insight a season."""

    def __init__(self) -> None:
        self._season = None

    def update(self, algorithm: QCAlgorithm, data: Slice) -> list[Insight]:
        season = "summer" if 5 <= algorithm.time.month <= 10 else "winter"
        if not data.bars or season == self._season:
            return []
        self._season = season
        direction = InsightDirection.UP if season == "winter" else InsightDirection.FLAT
        return [Insight.price(symbol, timedelta(days=300), direction) for symbol in data.bars.keys()]


class HalloweenFramework(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self.set_benchmark("SPY")
        self.add_equity("SPY", Resolution.DAILY)
        self.add_alpha(SeasonAlpha())
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel(lambda time: None))
        self.set_execution(ImmediateExecutionModel())
