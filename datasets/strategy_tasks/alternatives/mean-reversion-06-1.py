from AlgorithmImports import *


class IbsAlphaModel(AlphaModel):
    """Emits up when a bar closes near its low, flat when it closes near its high."""

    def __init__(self) -> None:
        self._long: set[Symbol] = set()

    def update(self, algorithm: QCAlgorithm, data: Slice) -> list[Insight]:
        insights = []
        for symbol, bar in data.bars.items():
            if bar.high <= bar.low:
                continue
            ibs = (bar.close - bar.low) / (bar.high - bar.low)
            if symbol not in self._long and ibs < 0.2:
                self._long.add(symbol)
                insights.append(Insight.price(symbol, timedelta(days=400), InsightDirection.UP))
            elif symbol in self._long and ibs > 0.8:
                self._long.discard(symbol)
                insights.append(
                    Insight.price(symbol, timedelta(days=400), InsightDirection.FLAT, None, None, None, 0.0)
                )
        return insights


class ThirtyPercentEach(PortfolioConstructionModel):
    """Turns new insights into fixed targets and leaves every other position alone."""

    def create_targets(self, algorithm: QCAlgorithm, insights: list[Insight]) -> list[PortfolioTarget]:
        return [
            PortfolioTarget.percent(algorithm, insight.symbol, 0.3 if insight.direction == InsightDirection.UP else 0)
            for insight in insights
        ]


class IbsFramework(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(200_000)
        self.universe_settings.resolution = Resolution.DAILY
        for ticker in ["SPY", "QQQ", "IWM"]:
            self.add_equity(ticker, Resolution.DAILY)
        self.add_alpha(IbsAlphaModel())
        self.set_portfolio_construction(ThirtyPercentEach())
        self.set_execution(ImmediateExecutionModel())
