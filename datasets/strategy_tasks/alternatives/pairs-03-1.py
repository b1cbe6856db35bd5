from AlgorithmImports import *


class OilPairAlpha(AlphaModel):
    """Emits both legs as one group of insights."""

    def __init__(self, first: Symbol, second: Symbol) -> None:
        self.first = first
        self.second = second
        self.ratios: list[float] = []
        self.side = 0

    def update(self, algorithm: QCAlgorithm, data: Slice) -> list[Insight]:
        if self.first not in data.bars or self.second not in data.bars:
            return []
        self.ratios.append(data.bars[self.first].close / data.bars[self.second].close)
        window = self.ratios[-30:]
        if algorithm.is_warming_up or len(window) < 30:
            return []
        mean = sum(window) / 30
        spread = (sum((ratio - mean) ** 2 for ratio in window) / 30) ** 0.5
        z = (window[-1] - mean) / spread
        if self.side == 0 and abs(z) > 2:
            self.side = -1 if z > 0 else 1
        elif self.side and z * self.side >= 0:
            self.side = 0
        else:
            return []
        return Insight.group(
            Insight.price(self.first, timedelta(days=365), InsightDirection(self.side)),
            Insight.price(self.second, timedelta(days=365), InsightDirection(-self.side)),
        )


class OilPairFramework(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        uso = self.add_equity("USO", Resolution.DAILY).symbol
        bno = self.add_equity("BNO", Resolution.DAILY).symbol
        self.set_warm_up(45, Resolution.DAILY)
        self.add_alpha(OilPairAlpha(uso, bno))
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel(lambda time: None))
        self.set_execution(ImmediateExecutionModel())
