from AlgorithmImports import *


class RotateByHistory(QCAlgorithm):
    """One history request a week gives all returns; the switch is two explicit targets."""

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(100_000)
        self.settings.seed_initial_prices = True
        self.etfs = [self.add_equity(name, Resolution.DAILY).symbol for name in ["SPY", "QQQ", "IWM", "EEM"]]
        self.current = None
        self.schedule.on(self.date_rules.week_start("SPY"), self.time_rules.at(9, 0), self.choose)

    def choose(self) -> None:
        closes = self.history(self.etfs, 61, Resolution.DAILY)["close"].unstack(level=0)
        returns = closes.iloc[-1] / closes.iloc[0] - 1
        best = self.symbol(str(returns.idxmax()))
        if best == self.current:
            return
        targets = [PortfolioTarget(etf, 0.95 if etf == best else 0) for etf in self.etfs]
        self.set_holdings(targets, liquidate_existing_holdings=False)
        self.current = best
