from AlgorithmImports import *


class WeeklyWeights(QCAlgorithm):
    """Three index ETFs in fixed parts and a tenth in cash, set anew each week."""

    _WEIGHTS = {"SPY": 0.4, "QQQ": 0.3, "IWM": 0.2}

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(1_000_000)
        self.settings.seed_initial_prices = True
        self._targets = [
            PortfolioTarget(self.add_equity(ticker, Resolution.DAILY).symbol, weight)
            for ticker, weight in self._WEIGHTS.items()
        ]
        self.schedule.on(
            self.date_rules.week_start("SPY"),
            self.time_rules.after_market_open("SPY", 1),
            lambda: self.set_holdings(self._targets),
        )
