from AlgorithmImports import *


class StrongestEtf(QCAlgorithm):
    """Always in the strongest of four ETFs."""

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(100_000)
        self._momentum = {}
        for ticker in ("SPY", "QQQ", "IWM", "EEM"):
            symbol = self.add_equity(ticker, Resolution.DAILY).symbol
            self._momentum[symbol] = self.roc(symbol, 60, Resolution.DAILY)
        self.set_warm_up(61, Resolution.DAILY)
        self.schedule.on(self.date_rules.week_start("SPY"), self.time_rules.after_market_open("SPY", 1), self._rotate)

    def _rotate(self) -> None:
        if self.is_warming_up:
            return
        best = max(self._momentum, key=lambda symbol: self._momentum[symbol].current.value)
        if not self.portfolio[best].invested:
            self.set_holdings(best, 0.98, liquidate_existing_holdings=True)
