from AlgorithmImports import *


class SideOfAverageAlpha(AlphaModel):
    """Says up above the average and down below it, once per change of side."""

    def __init__(self, period: int, weight: float) -> None:
        self._period = period
        self._weight = weight
        self._averages: dict[Symbol, SimpleMovingAverage] = {}
        self._sides: dict[Symbol, InsightDirection] = {}

    def on_securities_changed(self, algorithm: QCAlgorithm, changes: SecurityChanges) -> None:
        for security in changes.added_securities:
            average = algorithm.sma(security.symbol, self._period, Resolution.DAILY)
            algorithm.warm_up_indicator(security.symbol, average, Resolution.DAILY)
            self._averages[security.symbol] = average
        for security in changes.removed_securities:
            self._averages.pop(security.symbol, None)

    def update(self, algorithm: QCAlgorithm, data: Slice) -> list[Insight]:
        insights = []
        for symbol, average in self._averages.items():
            bar = data.bars.get(symbol)
            if bar is None or not average.is_ready or bar.close == average.current.value:
                continue
            side = InsightDirection.UP if bar.close > average.current.value else InsightDirection.DOWN
            if self._sides.get(symbol) != side:
                self._sides[symbol] = side
                insights.append(Insight.price(symbol, timedelta(days=1000), side, None, None, None, self._weight))
        return insights


class LongShortTrend(QCAlgorithm):
    """Long above, short below the 50-day average, in two markets."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(250_000)
        self.settings.minimum_order_margin_portfolio_percentage = 0.05
        for ticker in ("SPY", "EEM"):
            self.add_equity(ticker, Resolution.DAILY)
        self.add_alpha(SideOfAverageAlpha(50, 0.4))
        self.set_portfolio_construction(InsightWeightingPortfolioConstructionModel(lambda time: None))
        self.set_execution(ImmediateExecutionModel())
