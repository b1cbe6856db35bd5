from AlgorithmImports import *


class BuyOnceFramework(QCAlgorithm):
    """Framework form: constant insights of equal weight, never renewed."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self.universe_settings.resolution = Resolution.DAILY
        symbols = [
            Symbol.create(ticker, SecurityType.EQUITY, Market.USA) for ticker in ["AAPL", "IBM", "WM", "BAC", "SPY"]
        ]
        self.set_universe_selection(ManualUniverseSelectionModel(symbols))
        self.set_alpha(ConstantAlphaModel(InsightType.PRICE, InsightDirection.UP, timedelta(days=3650)))
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel(lambda time: None))
        self.set_execution(ImmediateExecutionModel())
