from AlgorithmImports import *


class ChannelOfYesterday(QCAlgorithm):
    """LEAN's Donchian channel of different lengths, read one bar late through its own window."""

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(100_000)
        self.aapl = self.add_equity("AAPL", Resolution.DAILY).symbol
        self.channel = self.dch(self.aapl, 20, 10, Resolution.DAILY)
        self.bands = RollingWindow[tuple](2)
        self.set_warm_up(timedelta(days=40))

    def on_data(self, data: Slice) -> None:
        if not data.bars.contains_key(self.aapl) or not self.channel.is_ready:
            return
        self.bands.add((self.channel.upper_band.current.value, self.channel.lower_band.current.value))
        if self.is_warming_up or not self.bands.is_ready:
            return
        upper, lower = self.bands[1]
        price = data.bars[self.aapl].close
        held = self.portfolio[self.aapl].quantity
        if held == 0 and price > upper:
            self.market_order(self.aapl, self.calculate_order_quantity(self.aapl, 0.9))
        if held > 0 and price < lower:
            self.market_order(self.aapl, -held)
