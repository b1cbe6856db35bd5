from AlgorithmImports import *


class CalmStocks(QCAlgorithm):
    """Pandas on a frame of sixty returns."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(150_000)
        self.settings.seed_initial_prices = True
        names = ["AAPL", "AIG", "BAC", "IBM", "GOOG", "WM", "SPY", "EEM"]
        self.names = {str(self.add_equity(name, Resolution.DAILY).symbol.id): name for name in names}
        self.schedule.on(
            self.date_rules.month_start("SPY", 0), self.time_rules.before_market_close("SPY", 60), self.monthly
        )

    def monthly(self) -> None:
        symbols = [self.symbol(name) for name in self.names.values()]
        closes = self.history(symbols, 61, Resolution.DAILY)["close"].unstack(level=0)
        calm = closes.pct_change().dropna().std().nsmallest(3).index
        keep = {self.names[str(column)] if str(column) in self.names else str(column) for column in calm}
        for symbol in symbols:
            if symbol.value not in keep and self.portfolio[symbol].invested:
                self.liquidate(symbol)
        for name in keep:
            self.set_holdings(name, 0.32)
