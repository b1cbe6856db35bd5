from AlgorithmImports import *


class AdxAlpha(AlphaModel):
    """Wilder's index as an alpha model with its own indicator, warmed up from history."""

    def __init__(self, algorithm: QCAlgorithm, symbol: Symbol) -> None:
        self.symbol = symbol
        self.adx = AverageDirectionalIndex(14)
        algorithm.register_indicator(symbol, self.adx, Resolution.DAILY)
        algorithm.warm_up_indicator(symbol, self.adx, Resolution.DAILY)
        self.active = False

    def update(self, algorithm: QCAlgorithm, data: Slice) -> list[Insight]:
        if self.symbol not in data.bars or not self.adx.is_ready:
            return []
        plus = self.adx.positive_directional_index.current.value
        minus = self.adx.negative_directional_index.current.value
        level = self.adx.current.value
        if not self.active and level > 25 and plus > minus:
            self.active = True
            return [Insight.price(self.symbol, timedelta(days=400), InsightDirection.UP)]
        if self.active and (level < 20 or minus > plus):
            self.active = False
            return [Insight.price(self.symbol, timedelta(days=400), InsightDirection.FLAT)]
        return []


class UsoTrend(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2018, 1, 1)
        self.set_end_date(2018, 12, 31)
        self.set_cash(100_000)
        self.settings.rebalance_portfolio_on_security_changes = False
        uso = self.add_equity("USO", Resolution.DAILY).symbol
        self.set_alpha(AdxAlpha(self, uso))
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel(lambda time: None))
        self.set_execution(ImmediateExecutionModel())
        self.set_risk_management(NullRiskManagementModel())
