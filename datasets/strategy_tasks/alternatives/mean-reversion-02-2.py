from AlgorithmImports import *


class BandAlpha(AlphaModel):
    """Up below the lower band, flat above the middle band."""

    def __init__(self, algorithm: QCAlgorithm, symbol: Symbol) -> None:
        self._symbol = symbol
        self._bands = algorithm.bb(symbol, 20, 2, MovingAverageType.SIMPLE, Resolution.DAILY)
        self._is_long = False

    def update(self, algorithm: QCAlgorithm, data: Slice) -> list[Insight]:
        if not self._bands.is_ready or algorithm.is_warming_up or self._symbol not in data.bars:
            return []
        close = data.bars[self._symbol].close
        if not self._is_long and close < self._bands.lower_band.current.value:
            self._is_long = True
            return [Insight.price(self._symbol, timedelta(days=365), InsightDirection.UP)]
        if self._is_long and close > self._bands.middle_band.current.value:
            self._is_long = False
            return [Insight.price(self._symbol, timedelta(days=365), InsightDirection.FLAT)]
        return []


class BollingerFramework(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        symbol = self.add_equity("IBM", Resolution.DAILY).symbol
        self.add_alpha(BandAlpha(self, symbol))
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel(lambda time: None))
        self.set_execution(ImmediateExecutionModel())
        self.set_warm_up(20, Resolution.DAILY)
