from AlgorithmImports import *


class ChannelIndicators(QCAlgorithm):
    """Two Donchian channels, their bands remembered from the bar before."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2015, 6, 30)
        self.set_cash(100_000)
        self.pair = self.add_forex("EURUSD", Resolution.DAILY, Market.OANDA).symbol
        self.wide = self.dch(self.pair, 20, 20)
        self.narrow = self.dch(self.pair, 10, 10)
        self.last = None
        self.set_warm_up(timedelta(days=40))

    def on_data(self, data: Slice) -> None:
        if not data.quote_bars.contains_key(self.pair) or not self.wide.is_ready:
            return
        last = self.last
        self.last = [
            band.current.value
            for band in (self.wide.upper_band, self.wide.lower_band, self.narrow.upper_band, self.narrow.lower_band)
        ]
        if self.is_warming_up or last is None:
            return
        close = data.quote_bars[self.pair].close
        quantity = self.portfolio[self.pair].quantity
        if (quantity > 0 and close < last[3]) or (quantity < 0 and close > last[2]):
            self.market_order(self.pair, -quantity)
        elif quantity == 0 and close > last[0]:
            self.set_holdings(self.pair, 1)
        elif quantity == 0 and close < last[1]:
            self.set_holdings(self.pair, -1)
