from AlgorithmImports import *


class PercentChange(QCAlgorithm):
    """The percent version of the indicator, on a consolidator."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(30_000)
        self.aapl = self.add_equity("AAPL", Resolution.DAILY).symbol
        self.change = RateOfChangePercent(20)
        daily = TradeBarConsolidator(timedelta(days=1))
        daily.data_consolidated += self.on_day
        self.subscription_manager.add_consolidator(self.aapl, daily)
        self.warm_up_indicator(self.aapl, self.change, Resolution.DAILY)

    def on_day(self, sender: object, bar: TradeBar) -> None:
        self.change.update(bar.end_time, bar.close)
        if not self.change.is_ready:
            return
        percent = self.change.current.value
        if percent > 5 and not self.portfolio[self.aapl].invested:
            self.set_holdings(self.aapl, 0.8)
        if percent < 0 and self.portfolio[self.aapl].invested:
            self.liquidate(self.aapl)
