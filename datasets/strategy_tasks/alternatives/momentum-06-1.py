from AlgorithmImports import *


class RsiCrosses(QCAlgorithm):
    """Uses the indicator's own window for the value of the bar before."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.strength = self.rsi(self.spy, 14)
        self.averages = self.sma(self.spy, 20), self.sma(self.spy, 50)
        self.strength.window.size = 2
        self.set_warm_up(timedelta(days=300))

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or not data.bars.contains_key(self.spy):
            return
        now, before = self.strength.window[0].value, self.strength.window[1].value
        short, long = (average.current.value for average in self.averages)
        if not self.portfolio.invested and now > 55 and before <= 55 and short > long:
            self.market_on_open_order(self.spy, self.calculate_order_quantity(self.spy, 0.9))
        elif self.portfolio.invested and now < 45 and before >= 45:
            self.liquidate()
