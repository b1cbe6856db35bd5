from AlgorithmImports import *


class CalmByNatr(QCAlgorithm):
    """The normalised ATR is the range in percent of the close."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self.iwm = self.add_equity("IWM", Resolution.DAILY).symbol
        self.calm = self.natr(self.iwm, 14)
        self.mean = self.sma(self.iwm, 50)
        self.set_warm_up(timedelta(days=250))

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self.iwm not in data.bars:
            return
        above = data.bars[self.iwm].close > self.mean.current.value
        percent = self.calm.current.value
        held = self.portfolio[self.iwm].quantity
        if held == 0 and above and percent < 1.2:
            self.market_on_open_order(self.iwm, self.calculate_order_quantity(self.iwm, 0.9))
        elif held > 0 and (percent > 1.6 or not above):
            self.market_on_open_order(self.iwm, -held)
