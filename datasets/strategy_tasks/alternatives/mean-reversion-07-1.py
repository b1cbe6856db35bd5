from AlgorithmImports import *


class CciOnConsolidator(QCAlgorithm):
    """The indicator is registered on a daily consolidator and acts from its own update event."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(25_000)
        self.eem = self.add_equity("EEM", Resolution.DAILY).symbol
        self.channel = CommodityChannelIndex(20)
        self.register_indicator(self.eem, self.channel, TradeBarConsolidator(1))
        self.warm_up_indicator(self.eem, self.channel, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if not self.channel.is_ready or not data.bars.contains_key(self.eem):
            return
        shares = self.portfolio[self.eem].quantity
        if shares == 0 and self.channel.current.value < -150:
            self.market_on_open_order(self.eem, 200)
        if shares > 0 and self.channel.current.value > 0:
            self.liquidate(self.eem)
